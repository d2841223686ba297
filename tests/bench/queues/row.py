"""What the rows have in common."""

import json
import signal
import socket
import subprocess

from peers import plain_environment
from services import Process, wait_for

BODY = 512


class JobRow:
    name, version = "", ""
    kept = ""  # what of a job is on the disk before it counts as taken, and how
    setup = ""  # every setting, in words
    in_flight = (1, 500, 5000)
    limit = False  # no peer, but what the machine allows

    def __init__(self, bed):
        """Installs what is missing; Skipped where that does not go."""
        self.bed = bed

    def start(self):
        pass

    def load(self, jobs, window, rate=0):
        """So many jobs, `window` of them out at any time or, with a rate, falling due at that rate. As bench_jobs says it: done, jobs,
        jobs_per_s, p50_ms, p95_ms, p99_ms. Raises RuntimeError where not all were done."""
        raise NotImplementedError

    def stop(self):
        pass


class Peer(JobRow):
    """Workers that run all the time, and a client that is started for each load."""

    def __init__(self, bed):
        super().__init__(bed)
        self.folder = bed.folder / self.name
        self.folder.mkdir()
        self.workers = []

    def environment(self):
        return {**plain_environment(), "BENCH_AMQP": self.bed.amqp, "BENCH_REDIS": self.bed.cache_url}

    def client(self):
        """The words of its command; the load is told behind them."""
        raise NotImplementedError

    def spawn(self, *command, cwd=None):
        worker = Process()
        log = self.folder / f"worker{len(self.workers)}.log"
        worker.spawn([*map(str, command)], self.environment(), log, cwd or self.folder)
        self.workers.append(worker)
        return worker

    def load(self, jobs, window, rate=0):
        told = ["--jobs", jobs, "--window", window, "--body", BODY, *(["--rate", rate] if rate else [])]
        limit_s = 60 + jobs / 50
        with open(self.folder / "client.log", "ab") as log:
            try:
                done = subprocess.run(
                    [*map(str, [*self.client(), *told])], env=self.environment(), cwd=self.folder,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, check=False, timeout=limit_s,
                )  # fmt: skip
            except subprocess.TimeoutExpired as late:
                raise RuntimeError(f"{jobs} jobs were not done within {limit_s:.0f} s") from late
        try:
            result = json.loads(done.stdout)
        except ValueError:
            result = {}
        if done.returncode or result.get("done") != jobs:
            raise RuntimeError(f"its client ended with {done.returncode}: {self.last_words()}")
        return result

    def last_words(self):
        lines = (self.folder / "client.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "no word"

    @staticmethod
    def wait_for_port(process, port):
        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        wait_for("its server", listens, 20, process.process)

    def stop(self):
        for worker in self.workers:
            worker.end(signal.SIGTERM, 10)
