import re
import shutil
import signal

from installing import PINS, install_step, installed
from queues.row import Peer


class Asynq(Peer):
    name = "asynq"
    kept = "nothing (Redis without a log)"
    setup = (
        "one worker process with a concurrency of 256 that looks for jobs every ms (1 s by default; it is stopped while others are measured), 64 enqueuers; it "
        "tells nobody of an answer, so that the handler puts it into a list of Redis that the client waits at"
    )

    def __init__(self, bed):
        pins = [PINS / "asynq" / name for name in ("go.mod", "go.sum", "main.go")]
        self.root = installed("asynq", pins, lambda to: self.install(to, pins))
        self.version = re.search(r"hibiken/asynq v(\S+)", pins[0].read_text()).group(1)
        super().__init__(bed)

    @staticmethod
    def install(to, pins):
        for file in pins:
            shutil.copy(file, to)
        go = shutil.which("go") or "/usr/local/go/bin/go"
        install_step([go, "build", "-o", "asynq", "."], cwd=to)

    def start(self):
        self.spawn(self.root / "asynq", "worker").signal(signal.SIGSTOP)

    def load(self, jobs, window, rate=0):
        self.workers[0].signal(signal.SIGCONT)
        try:
            return super().load(jobs, window, rate)
        finally:
            self.workers[0].signal(signal.SIGSTOP)

    def client(self):
        return [self.root / "asynq"]

    def stop(self):
        if self.workers:
            self.workers[0].signal(signal.SIGCONT)
        super().stop()
