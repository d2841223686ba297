"""Where a row is played: the broker that all use, and a world."""

import contextlib
import random
import tempfile
import time
import traceback
from pathlib import Path

import report
from rounds import Round, Skipped
from services import Rabbit
from world import World


class Stage:
    """The broker that all rows use, and the common world, made anew after a row that did not hold."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ogc-", dir="/tmp")
        self.rabbit = Rabbit(Path(self.folder.name) / "rabbit")
        self.common, self.played = None, {}

    def again(self, row):
        """How often it was played before: a round again is another, with jobs of its own."""
        self.played[row.number] = self.played.get(row.number, -1) + 1
        return self.played[row.number]

    def __enter__(self):
        try:
            self.rabbit.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.drop()
        self.rabbit.kill()
        self.rabbit.stop()
        self.folder.cleanup()

    def drop(self):
        if self.common:
            self.common.close()
        self.common = None

    def end_of_common_world(self):
        """Its programs end well: what they leaked is told by their exit status."""
        return self.common.stop() + self.common.sanitizer_words() if self.common else []

    @contextlib.contextmanager
    def world(self, row):
        if row.world:
            self.drop()  # users and alarms are a whole broker's: one world at a time
            with row.world(self.rabbit) as w:
                yield w
            return
        if not self.common:
            self.common = World(self.rabbit).__enter__()
        yield self.common


def play(stage, row, seed, quick):
    """One round of one row: its line of the report."""
    rng = random.Random(f"{seed}-{row.number}-{stage.again(row)}")
    began, r = time.monotonic(), None
    line = report.Line(row.number, row.name)
    try:
        with stage.world(row) as world:
            r = Round(world, rng, quick)
            row.function(r)
            line.take(r, r.finish())
    except Skipped as why:
        line.skip(str(why))
    except Exception as error:  # a row that breaks is a row that does not hold
        line.break_off(r, f"{type(error).__name__}: {error}", traceback.format_exc())
    line.seconds = round(time.monotonic() - began, 1)
    if line.verdict == "fails":
        line.keep_logs(r and r.world)
        stage.drop()
    return line
