"""Submits with an id of their client's, while Redis cannot be asked about it."""

import itertools
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from services import wait_for

from fleet import Fleet

names = itertools.count()


@pytest.fixture
def fleet(tmp_path):
    f = Fleet(tmp_path, f"hold-{next(names)}")
    yield f
    f.close()


def test_they_wait_in_a_queue_of_their_own_and_others_go_on(fleet):
    one = fleet.scheduler()
    fleet.worker(echo=True)
    producer = fleet.producer()
    assert producer.wait(producer.submit(tier="small")).state == "done"
    fleet.redis.kill()
    wait_for("Redis to be missed", lambda: one.status()["scheduler"]["redis"] == "away", 10)
    jobs = [producer.submit(tier="small", explicit_id=1, deaths=3) for _ in range(600)]
    plain = producer.submit(tier="small")
    assert producer.wait(plain).state == "done"
    wait_for("them to wait", lambda: fleet.depth("og.hold") >= 600 - 64, 20)
    assert fleet.depth("og.jobs.intake") == 0
    assert not producer.of(jobs[0], "done")
    again = producer.submit(job=jobs[0], tier="small", explicit_id=1)
    one.kill()
    fleet.scheduler("two", until="leading")
    fleet.redis.start()
    wait_for("their ends", lambda: all(producer.of(j, "done") for j in jobs), 60)
    assert {producer.wait(j).state for j in jobs} == {"done"} and again == jobs[0]
    assert fleet.ended(jobs[5])["tenant"] == "local"
    wait_for("nothing to be left", lambda: not fleet.depth("og.hold") and not fleet.depth("og.jobs.intake"), 10)
