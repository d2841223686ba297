"""A load of jobs for peers whose client is in Python: told and saying the same as bench_jobs."""

import argparse
import json
import queue
import threading
import time


class Load:
    def __init__(self):
        options = argparse.ArgumentParser()
        for name, default in {"jobs": 10000, "window": 500, "body": 512, "rate": 0}.items():
            options.add_argument(f"--{name}", type=int, default=default)
        self.told = options.parse_args()
        self.body = "x" * self.told.body
        self.first = self.last = 0.0
        self.sent = 0
        self.took = []

    def due(self, now):
        """When the next job is due, for it to be sent then: its time counts from there."""
        return self.first + self.sent / self.told.rate if self.told.rate else now

    def has_room(self):
        return self.sent < self.told.jobs and self.sent - len(self.took) < self.told.window

    def is_over(self):
        return len(self.took) == self.told.jobs

    def end(self, due, answer):
        if answer != self.body:
            raise SystemExit(f"an answer is not what was sent: {str(answer)[:80]!r}")
        self.last = time.monotonic()
        self.took.append(self.last - due)

    def report(self):
        took, seconds = sorted(self.took), self.last - self.first
        figures = {f"p{p}_ms": took[(len(took) - 1) * p // 100] * 1000 for p in (50, 95, 99)}
        said = {"done": len(took), "jobs": self.told.jobs, "jobs_per_s": len(took) / seconds, "seconds": seconds}
        print(json.dumps(said | figures | {"max_ms": took[-1] * 1000}))


def run_with_callbacks(send, drain):
    """For clients that call back: `send(body, on_answer)`, and `drain(seconds)` reads what has come, waiting so long for the first."""
    load = Load()
    load.first = time.monotonic()
    while not load.is_over():
        wait = 1.0
        while load.has_room():
            now = time.monotonic()
            due = load.due(now)
            if due > now:
                wait = due - now
                break
            send(load.body, lambda answer, due=due: load.end(due, answer))
            load.sent += 1
        drain(wait)
    load.report()


def run_in_order(send, collect):
    """For clients that wait for one job at a time: one thread has `send(body)`, which gives a handle, another `collect(handle)`, the
    answers in the order of the jobs."""
    load, out, room = Load(), queue.SimpleQueue(), threading.Semaphore(0)
    room.release(load.told.window)
    load.first = time.monotonic()

    def sender():
        try:
            for _ in range(load.told.jobs):
                room.acquire()
                due = load.due(time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
                load.sent += 1
                out.put((due, send(load.body)))
        except BaseException as why:
            out.put((0, why))
            raise

    threading.Thread(target=sender, daemon=True).start()
    while not load.is_over():
        due, handle = out.get()
        if isinstance(handle, BaseException):
            raise SystemExit("the sender failed")
        load.end(due, collect(handle))
        room.release()
    load.report()
