"""A row of the table of faults, and one round of it: a world, a seed of its own, a ledger, what was done and what was counted."""

import random
import time
from dataclasses import dataclass, field

import checker
from load import Ledger
from services import wait_for

rows = {}


@dataclass
class Row:
    number: int
    name: str
    function: object
    quick: bool  # among the sharpest, of --quick
    soak: bool  # can be done again and again to one world
    world: object  # makes a world of its own, from (rabbit); None: the common one


def row(number, name, quick=False, soak=False, world=None):
    def register(function):
        rows[number] = Row(number, name, function, quick, soak, world)
        return function

    return register


class Skipped(Exception):
    """This machine cannot do it."""


@dataclass
class Round:
    world: object
    rng: random.Random
    quick: bool
    ledger: Ledger = field(default_factory=Ledger)
    loads: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)
    steps: list = field(default_factory=list)

    def load(self, **more):
        """As World.load; the round waits for all its ends."""
        load = self.world.load(self.ledger, self.rng, **more)
        self.loads.append(load)
        return load

    def pick(self, quick, full):
        return quick if self.quick else full

    def did(self, step):
        self.steps.append(step)

    def count(self, name, n=1):
        self.counts[name] = self.counts.get(name, 0) + n

    def hold(self, what, condition):
        """What the row must show beyond the checker's word."""
        if not condition:
            self.problems.append(what)
        return condition

    def until(self, what, predicate, timeout):
        """Waits for it, and says how long that took, in seconds; None, and a problem, when it did not come."""
        began = time.monotonic()
        try:
            wait_for(what, predicate, timeout)
        except TimeoutError as error:
            self.problems.append(str(error))
            return None
        return round(time.monotonic() - began, 2)

    def quiet(self):
        """All that was to be submitted is confirmed or refused, and has ended."""
        return all(load.finished() for load in self.loads) and not self.ledger.open()

    def some_jobs(self, n, timeout=30):
        """Waits until so many more were accepted."""
        goal = len(self.ledger.accepted()) + n
        wait_for(f"{n} more jobs", lambda: len(self.ledger.accepted()) >= goal, timeout)

    def finish(self):
        """Everything is there again, all that was accepted ends, and the checker speaks."""
        self.world.restore()
        for load in self.loads:
            load.pause()
        breaks = [why for load in self.loads for s in load.submitters for why in s.breaks]
        if breaks:
            self.counts["times_a_submitter_reconnected"] = len(breaks)
        for load in self.loads:
            checker.settle(self.world, self.ledger, load)
        return checker.check(self.world, self.ledger)
