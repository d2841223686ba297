"""Round trips of no-op jobs: 512 bytes in, the same out, read by who submitted. Ours beside other queues, and beside what the broker allows.

All rows are started first, and measured in turn. A round's number of jobs is what a row does in some seconds, so that slow ones do not hold
up the others; a latency counts from when the job fell due to when its answer was read."""

import statistics
import subprocess
import sys

import roundtrip_tables
from bed import own_or, rotated
from installing import Skipped
from queues import ROWS

TITLE = "Round trips of no-op jobs"
NAMES = tuple(ROWS)
ONE, MANY, MORE = 1, 500, 5000
ROUNDS = {ONE: 5, MANY: 5, MORE: 3}
SECONDS, QUICK_SECONDS = 3, 0.5
HALF_ROUNDS = 3
JOBS_MAX = 200000
WINDOW_MAX = 50000


class Measuring:
    """The rows that go, and what each has been seen to do; one that fails is left out of what follows, with why."""

    def __init__(self, rows, seconds):
        self.rows, self.seconds = rows, seconds
        self.failed = {}
        self.rates = {row.name: {} for row in rows}  # jobs/s by window, as last seen
        self.found = {row.name: {"cells": {}, "half": []} for row in rows}

    def load(self, row, jobs, window, rate=0):
        if row.name in self.failed:
            return None
        try:
            return row.load(jobs, window, rate)
        except (RuntimeError, OSError, subprocess.SubprocessError) as why:
            if row.name == "OpenGateway":
                raise
            print(f"{row.name}: {why}", file=sys.stderr, flush=True)
            self.failed[row.name] = str(why)
            return None

    def jobs(self, row, window):
        rate = self.rates[row.name].get(window) or self.rates[row.name].get(MANY, 100)
        return min(JOBS_MAX, max(int(rate * self.seconds), 2 * window, 20))

    def warm(self, row):
        """Compiles, connects and fills what is cached, and tells how many jobs a round has."""
        for jobs, window in ((MANY, MANY), (None, MANY), (20, ONE)):
            result = self.load(row, jobs or self.jobs(row, window), window) if window in row.in_flight else None
            if result:
                self.rates[row.name][window] = result["jobs_per_s"]

    def closed(self, row, window):
        result = self.load(row, self.jobs(row, window), window)
        if result:
            self.rates[row.name][window] = result["jobs_per_s"]
            self.found[row.name]["cells"].setdefault(str(window), []).append(result)

    def half_rate(self, row):
        """Open loop at half of what it did: the window is no limit, a stall is charged to all the jobs that fell due in it."""
        most = statistics.median(result["jobs_per_s"] for result in self.found[row.name]["cells"][str(MANY)])
        rate = max(1, int(most / 2))
        jobs = max(20, int(rate * self.seconds))
        result = self.load(row, jobs, min(jobs, WINDOW_MAX), rate)
        if result:
            self.found[row.name]["half"].append({**result, "rate": rate})


def start_rows(bed, wanted, skipped, running):
    for name in wanted:
        print(f"starting {name}", file=sys.stderr, flush=True)
        try:
            row = ROWS[name](bed)
            running.append(row)
            row.start()
        except Skipped as why:
            skipped[name] = str(why)
        except (RuntimeError, TimeoutError, OSError) as why:
            if name == "OpenGateway":
                raise
            skipped[name] = f"did not start: {why}"


def measure_rows(rows, quick):
    measuring = Measuring(rows, QUICK_SECONDS if quick else SECONDS)
    for row in rows:
        measuring.warm(row)
    for window, rounds in ROUNDS.items():
        for number in range(1 if quick else rounds):
            print(f"{window} in flight, round {number + 1}", file=sys.stderr, flush=True)
            for row in rotated(rows, number):
                # A quick run does not wait for thousands of jobs of a slow one.
                is_slow = quick and window * 0.2 > measuring.rates[row.name].get(MANY, 0)
                if window in row.in_flight and not is_slow:
                    measuring.closed(row, window)
    for number in range(1 if quick else HALF_ROUNDS):
        print(f"half the rate, round {number + 1}", file=sys.stderr, flush=True)
        for row in rotated(rows, number):
            if str(MANY) in measuring.found[row.name]["cells"]:
                measuring.half_rate(row)
    return measuring


def measure(quick, only=None, shared=None):
    running, skipped = [], {}
    with own_or(shared) as bed:
        try:
            start_rows(bed, [name for name in ROWS if not only or name in only], skipped, running)
            rows = [row for row in running if row.name not in skipped]
            measuring = measure_rows(rows, quick)
        finally:
            for row in running:
                row.stop()
    about = {
        row.name: {
            "version": row.version, "kept": row.kept, "setup": row.setup, "limit": row.limit, **measuring.found[row.name]
        }
        for row in rows
    }  # fmt: skip
    return {"rows": about, "skipped": skipped, "failed": measuring.failed}


def tables(results):
    return roundtrip_tables.section(results)
