from queues.python import PythonPeer


class RQ(PythonPeer):
    name, package = "RQ", "rq"
    kept = "nothing (Redis without a log)"
    setup = (
        "2 `SimpleWorker`s, which run a job without a fork; hiredis; the client enqueues in one thread and waits for the answers in order in another"
    )

    def start(self):
        for _ in range(2):
            self.spawn(self.root / "bin/python", self.programs / "worker.py")
