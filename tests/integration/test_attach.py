"""Attaching to a job that lives: its chunks and its end come to another reply key too (docs/PROTOCOL.md)."""

import time
import uuid

from services import wait_for


def attaches(worker):
    return [(p.message_id, p.reply_to, p.headers.get("og-seq", 0)) for kind, p in worker.controls if kind == "attach"]


def running(fleet, asks, job):
    wait_for("it to run", lambda: asks.ask("result", id=job) == {"state": "running"})


def test_to_one_that_runs(fleet):
    fleet.scheduler()
    worker, producer, other = fleet.worker(), fleet.producer(), fleet.producer()
    job = producer.submit(tier="small", stream=1)
    running(fleet, producer, job)
    assert other.ask("attach", **{"id": job, "from": 7}) == {"state": "running", "attempt": 1}
    wait_for("the worker to be told", lambda: attaches(worker) == [(job, other.reply, 7)])
    time.sleep(0.6)  # heartbeats that list it again
    assert len(attaches(worker)) == 1
    # Its own submitter may ask for what it missed; its end comes once all the same.
    assert producer.ask("attach", id=job)["state"] == "running"
    wait_for("the worker to be told", lambda: attaches(worker)[1:] == [(job, producer.reply, 0)])
    worker.finish(job)
    assert other.wait(job).what == "result" and producer.wait(job).what == "done"
    assert other.wait(job).body == producer.wait(job).body
    assert producer.of(job, "result") == []
    wait_for("its record", lambda: fleet.record(job).get("state") == "done")
    assert other.ask("attach", id=job) == {"state": "done", "result": producer.wait(job).json}


def test_to_one_that_waits(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer, other = fleet.worker(slots=1), fleet.producer(), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    first, job = producer.submit(tier="small"), producer.submit(tier="small", progress=1, stream=1)
    producer.wait(job, "placed")
    assert other.ask("attach", id=job)["state"] == "queued"
    assert attaches(worker) == []
    worker.finish(first)
    worker.holds(job)
    wait_for("the worker to be told", lambda: attaches(worker) == [(job, other.reply, 0)])
    # Another worker runs it after this one: it is told too, from the beginning.
    worker.vanish()
    second = fleet.worker("NodeB", slots=1)
    wait_for("the next to be told", lambda: attaches(second) == [(job, other.reply, 0)])
    second.finish(job)
    assert other.wait(job).what == "result"


def test_by_submitting_it_again(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    for explicit in (0, 1):
        job = producer.submit(tier="small", stream=1, explicit_id=explicit)
        running(fleet, producer, job)
        plain, streaming = fleet.producer(), fleet.producer()
        plain.submit(job=job, tier="small", explicit_id=explicit)
        streaming.submit(job=job, tier="small", stream=1, explicit_id=explicit)
        wait_for("the worker to be told", lambda: (job, streaming.reply, 0) in attaches(worker))  # noqa: B023
        worker.finish(job)
        assert {p.wait(job).what for p in (plain, streaming)} == {"result"}
    assert len(attaches(worker)) == 2


def test_only_to_the_own_tenant_s_jobs(fleet):
    fleet.scheduler()
    worker, producer, gateway = fleet.worker(), fleet.producer(), fleet.producer("gateway")
    job = gateway.submit(tier="small", tenant="other")
    running(fleet, gateway, job)
    assert producer.ask("attach", id=job)["error"]["type"] == "not_found"
    assert producer.ask("attach", id=str(uuid.uuid4()))["error"]["type"] == "not_found"
    assert producer.ask("attach", **{"id": job, "from": -1})["error"]["type"] == "invalid_request"
    assert gateway.ask("attach", id=job)["state"] == "running"
    worker.finish(job)
    assert gateway.wait(job).state == "done"
    assert [reply for _, reply, _ in attaches(worker)] == [gateway.reply]
