"""OpenGateway: og-scheduler, og-worker and a producer, with everything on."""

import contextlib

from bed import BUILD, CONTEXT
from machine import said_by
from queues.row import BODY, JobRow

SLOTS = 640  # above the many in flight: nothing waits in a lane; of 5,000 most do


class Ours(JobRow):
    name = "OpenGateway"
    kept = "job and result in quorum queues, each move confirmed; record in Redis (log)"
    setup = (
        f"one og-scheduler, one og-worker with {SLOTS} slots of the engine `echo`, `bench_jobs` as the producer; quorum queues, "
        f"publisher confirms, Redis records with results; the catalogue states a context of {CONTEXT:,} tokens; all else by default"
    )

    def __init__(self, bed):
        super().__init__(bed)
        self.version = said_by(BUILD / "og", "--version")
        self.running, self.network = contextlib.ExitStack(), None

    def start(self):
        self.network = self.running.enter_context(self.bed.network())
        self.network.serve(SLOTS)

    def load(self, jobs, window, rate=0):
        return self.network.jobs(jobs, window, body=BODY, **({"rate": rate} if rate else {}))

    def stop(self):
        self.running.close()
