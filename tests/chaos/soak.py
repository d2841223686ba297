"""Faults at random, for hours, to one world: memory, descriptors and disk stay flat."""

import random
import subprocess
import time

import report
from rounds import rows
from stage import Stage, play

WARM_S = 60  # what is killed and started again by a fault begins anew
SLACK_KIB = 16 * 1024
SLACK_FDS = 16


class Sizes:
    """What each process was when it was warm, and what it is now."""

    def __init__(self):
        self.born, self.warm, self.last = {}, {}, {}

    def take(self, sizes, now):
        for who, size in sizes.items():
            self.born.setdefault(who, now)
            self.last[who] = size
            if now - self.born[who] >= WARM_S:
                self.warm.setdefault(who, size)

    def grown(self):
        words = []
        for (name, pid), (kib, fds) in self.warm.items():
            now_kib, now_fds = self.last[name, pid]
            if now_kib > kib * 1.25 + SLACK_KIB or now_fds > fds + SLACK_FDS:
                words.append(f"{name} (pid {pid}) grew from {kib} KiB, {fds} descriptors to {now_kib} KiB, {now_fds}")
        return words


def disk_kib(folder):
    """As du says it, which minds no file that goes meanwhile."""
    return int(subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=False).stdout.split()[0])


def run(duration, seed, only):
    result, sizes, rng = report.Report(seed, "soak"), Sizes(), random.Random(seed)
    numbers = [n for n in (only or rows) if rows[n].soak]
    end, n, disk = time.monotonic() + duration, 0, []
    with Stage() as stage:
        while time.monotonic() < end:
            n += 1
            line = play(stage, rows[rng.choice(numbers)], seed, rng.random() < 0.5)
            result.add(line)
            print(line, flush=True)
            if line.verdict == "fails":
                break  # what follows would say nothing
            if stage.common:
                sizes.take(stage.common.sizes(), time.monotonic())
            disk.append(disk_kib(stage.rabbit.folder / "mnesia"))
        result.problems += sizes.grown() + stage.end_of_common_world()
        result.extra = {"rounds": n, "broker_disk_kib": disk, "sizes": {f"{name} {pid}": s for (name, pid), s in sizes.last.items()}}
    return result
