import json
import shutil

from installing import PINS, install_step, installed
from queues.row import Peer


class BullMQ(Peer):
    name = "BullMQ"
    kept = "nothing (Redis without a log)"
    setup = "one worker process with a concurrency of 100, `removeOnComplete`; jobs that are due together are added by `addBulk`, answers are read from `QueueEvents`"

    def __init__(self, bed):
        self.programs = PINS / "bullmq"
        pins = [self.programs / "package.json", self.programs / "package-lock.json"]
        self.root = installed("bullmq", pins, lambda to: self.install(to, pins))
        self.version = json.loads(pins[0].read_text())["dependencies"]["bullmq"]
        super().__init__(bed)

    @staticmethod
    def install(to, pins):
        for file in pins:
            shutil.copy(file, to)
        install_step(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=to)

    def environment(self):
        return {**super().environment(), "NODE_ENV": "production", "NODE_PATH": str(self.root / "node_modules")}

    def start(self):
        self.spawn("node", self.programs / "worker.cjs")

    def client(self):
        return ["node", self.programs / "client.cjs"]
