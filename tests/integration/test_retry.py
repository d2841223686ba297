"""Hand-backs: what becomes of a job whose attempt did not end it, with a real broker and workers that the tests drive."""

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
    f = Fleet(tmp_path, f"retry-{next(names)}")
    yield f
    f.close()


def queues_are_empty(fleet):
    left = {q: fleet.depth(q) for q in ("og.retry", "og.delay.1s", "og.delay.5s", "og.tier.small-1b", "og.jobs.intake")}
    return not any(left.values())


def test_an_engine_that_fails_is_tried_again_later_and_the_submitter_is_told(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small", stream=1)
    assert worker.headers(job)["og-attempt"] == 1
    before = time.time()
    worker.hand_back(job, "engine_cut", "the engine closed the connection")
    told = producer.wait(job, "placed")
    assert (told.headers["og-attempt"], told.headers["og-error"]) == (2, "engine_cut")
    assert told.headers["og-reason"] == "the engine closed the connection"
    h = worker.headers(job)
    assert time.time() - before >= 1
    assert (h["og-attempt"], h["og-tried"], h.get("og-suspect")) == (2, worker.node, None)
    assert not {"og-not-before", "og-error", "og-reason", "og-node", "x-death"} & set(h)
    worker.finish(job)
    assert producer.wait(job).state == "done"
    wait_for("the record", lambda: fleet.record(job).get("attempt") == "2", 5)
    what = [e["what"] for e in producer.ask("job", id=job)["job"]["history"]]
    assert "handed_back" in what and what.count("placed") == 2


def test_what_clients_may_not_say_of_a_request_is_dropped(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small", tried="x", deaths=9, suspect=1, session="s", avoid="a,b")
    h = worker.headers(job)
    assert not {"og-tried", "og-deaths", "og-suspect"} & set(h)
    assert (h["og-session"], h["og-avoid"]) == ("s", "a,b")
    worker.finish(job)


def test_a_killed_worker_makes_a_suspect_that_runs_at_once(fleet):
    fleet.scheduler()
    first, producer = fleet.worker("NodeA", slots=1), fleet.producer()
    job = producer.submit(tier="small")
    first.headers(job)
    second = fleet.worker("NodeB", slots=1)
    first.vanish()
    assert second.headers(job)["x-delivery-count"] == 1
    second.hand_back(job, "worker_lost")
    wait_for("the second attempt", lambda: second.headers(job)["og-attempt"] == 2, 10)
    assert second.headers(job)["og-suspect"] == 1
    second.finish(job)
    assert producer.wait(job).state == "done"


def test_what_its_worker_still_runs_after_a_cut_is_waited_for(fleet):
    fleet.scheduler()
    first, producer = fleet.worker("NodeA", slots=1), fleet.producer()
    job = producer.submit(tier="small")
    first.headers(job)
    second = fleet.worker("NodeB", slots=1)
    second.runs_redelivered = False
    first.do(first.lose_deliveries)
    second.headers(job)
    second.hand_back(job, "worker_lost")
    time.sleep(4)
    assert second.taken == [job], "the first one runs it still"
    first.do(lambda: first.settle_kept(job))
    assert producer.wait(job).state == "done"
    wait_for("nothing to be left", lambda: queues_are_empty(fleet), 5)
    assert second.taken == [job]


def test_attempts_that_are_spent_make_a_dead_letter(fleet):
    fleet.scheduler("one", "scheduler.max_attempts=2")
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small")
    worker.hand_back(job, "engine_unavailable", "HTTP 503")
    worker.headers(job)
    worker.hand_back(job, "engine_stalled", "nothing for 60 s")
    done = producer.wait(job)
    assert (done.state, done.headers["og-error"]) == ("dead", "engine_stalled")
    assert done.json["error"] == {"type": "engine_stalled", "message": "2 of 2 attempts failed: nothing for 60 s"}
    assert [t["name"] for t in done.json["tried"]] == ["NodeA", "NodeA"]
    wait_for("the dead letter", lambda: fleet.depth("og.dead") == 1, 10)
    wait_for("the record", lambda: fleet.record(job).get("state") == "dead", 5)
    wait_for("nothing else to be left", lambda: queues_are_empty(fleet), 5)


def test_a_poison_prompt_takes_four_workers_and_no_more(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    job = producer.submit(tier="small")
    for n in range(4):
        worker = fleet.worker("NodeA", slots=1)
        h = worker.headers(job)
        assert (h["og-attempt"], h.get("og-deaths", 0)) == (n + 1, max(0, n - 1))
        if n:
            worker.run_alone(job)
        worker.hand_back(job, "worker_lost")
        worker.close()
    assert (producer.wait(job).state, producer.wait(job).json["deaths"]) == ("dead", 3)
    wait_for("the dead letter", lambda: fleet.depth("og.dead") == 1, 10)


def test_a_scheduler_that_is_killed_forgets_no_delay(fleet):
    one = fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    jobs = [producer.submit(tier="small") for _ in range(2)]
    for job in jobs:
        worker.hand_back(job, "engine_garbage")
    wait_for("both in their delay", lambda: fleet.depth("og.delay.1s") == 2, 5)
    one.kill()
    fleet.keys("FLUSHALL")
    fleet.scheduler("two")
    for job in jobs:
        assert worker.headers(job)["og-attempt"] == 2
        worker.finish(job)
    assert [producer.wait(job).state for job in jobs] == ["done", "done"]


def test_a_hand_back_without_its_lease_changes_nothing(fleet):
    scheduler = fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small")
    worker.headers(job)
    kept = worker.held[job]
    worker.hand_back(job, "engine_cut", ack=False, lease="0" * 64)
    wait_for("it to be counted", lambda: scheduler.status()["process"]["forged"] == 1, 5)
    worker.held[job] = kept
    worker.finish(job)
    assert producer.wait(job).state == "done"
