"""Jobs that are meant for one worker: they go to its own queue, and come back from there when it is gone."""

import itertools
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from services import wait_for

from fleet import Fleet

names = itertools.count()


@pytest.fixture
def fleet(tmp_path):
    f = Fleet(tmp_path, f"nodes-{next(names)}")
    yield f
    f.close()


def workers(fleet, producer, *names, **more):
    all_of_them = [fleet.worker(name, **more) for name in names]
    wait_for("the workers", lambda: producer.ask("tiers")["tiers"][0]["workers"] == len(names), 10)
    return all_of_them


def test_a_job_avoids_nodes(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    a, b = workers(fleet, producer, "NodeA", "NodeB", echo=True)
    jobs = [producer.submit(tier="small", avoid=a.node) for _ in range(4)]
    assert {producer.wait(job).state for job in jobs} == {"done"}
    assert a.taken == [] and not a.node_queue


def test_after_a_failure_it_is_tried_elsewhere(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    a, b = workers(fleet, producer, "NodeA", "NodeB", slots=1)
    job = producer.submit(tier="small")
    wait_for("one to take it", lambda: job in a.held or job in b.held, 10)
    first, second = (a, b) if job in a.held else (b, a)
    first.hand_back(job, "engine_cut")
    assert second.headers(job)["og-tried"] == first.node
    second.finish(job)
    assert producer.wait(job).state == "done"


def test_what_a_killed_worker_had_of_its_own_queue_is_placed_again(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    a, b = workers(fleet, producer, "NodeA", "NodeB")
    jobs = [producer.submit(tier="small", avoid=b.node) for _ in range(2)]
    wait_for("one in hand and one behind it", lambda: len(a.held) == 1 and fleet.depth(f"og.node.{a.user}~{a.key}") == 1, 10)
    a.close()  # an orderly end, but for what it leaves
    c = fleet.worker("NodeC")
    for _ in jobs:  # one at a time: the stand-in reads its own queue with prefetch 1
        wait_for("one of them to come", lambda: c.held, 20)
        job = next(iter(c.held))
        assert c.headers(job)["og-attempt"] == 2
        c.finish(job)
    assert set(c.taken) == set(jobs)
    assert {producer.wait(job).state for job in jobs} == {"done"}
    assert b.taken == []


def test_a_new_leader_finds_the_queue_of_a_worker_that_never_returns(fleet):
    one = fleet.scheduler()
    producer = fleet.producer()
    a, b = workers(fleet, producer, "NodeA", "NodeB", slots=1)
    job = producer.submit(tier="small", avoid=b.node)
    a.headers(job)
    one.kill()
    a.vanish()
    fleet.scheduler("two")
    c = fleet.worker("NodeC")
    wait_for("it to come back", lambda: job in c.held, 25)
    assert c.headers(job)["og-attempt"] == 2
    c.finish(job)
    assert producer.wait(job).state == "done"


def test_a_session_stays_where_it_was(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    both = workers(fleet, producer, "NodeA", "NodeB", slots=1)
    seen = set()
    for _ in range(4):
        job = producer.submit(tier="small", session="talk")
        wait_for("somebody to take it", lambda: any(job in w.held for w in both), 10)
        worker = next(w for w in both if job in w.held)
        seen.add(worker.name)
        worker.finish(job)
        producer.wait(job)
        time.sleep(0.1)
    assert len(seen) == 1
