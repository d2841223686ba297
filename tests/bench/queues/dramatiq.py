from queues.python import PythonPeer


class Dramatiq(PythonPeer):
    name, package = "dramatiq", "dramatiq"
    kept = "job in a classic durable queue, not confirmed; result in Redis' memory"
    setup = (
        "RabbitMQ, results in Redis (without a log), 2 processes with 8 threads, prefetch 128 a process; hiredis; the client sends in one thread and "
        "waits for the answers in order in another"
    )

    def environment(self):
        return {**super().environment(), "dramatiq_queue_prefetch": "128"}

    def start(self):
        self.spawn(self.root / "bin/dramatiq", "tasks", "--processes", 2, "--threads", 8)
