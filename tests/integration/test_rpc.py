"""What the leading scheduler answers to questions (docs/PROTOCOL.md, RPC), on a real RabbitMQ and Redis."""

import json
import time

from services import wait_for


def whats(job):
    return [event["what"] for event in job["history"]]


def test_a_job_that_goes_through_has_its_story(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small")
    wait_for("it to run", lambda: producer.ask("job", id=job)["job"]["state"] == "running")
    live = producer.ask("job", id=job)["job"]
    assert whats(live) == ["accepted", "placed", "started"]
    assert live["history"][2] == {"at_ms": 1, "what": "started", "attempt": 1, "node_name": "NodeA", "worker": worker.worker}
    worker.finish(job)
    wait_for("the record", lambda: producer.ask("job", id=job)["job"]["state"] == "done")
    ended = producer.ask("job", id=job)["job"]
    assert whats(ended) == ["accepted", "placed", "started", "done"]
    accepted, placed, _, done = ended["history"]
    assert accepted == {"at_ms": ended["accepted_ms"], "what": "accepted"}
    assert placed == {"at_ms": ended["placed_ms"], "what": "placed", "attempt": 1}
    assert done == {"at_ms": ended["ended_ms"], "what": "done", "attempt": 1, "node_name": "NodeA", "worker": worker.worker}


def test_the_story_of_what_waits_and_of_what_fails(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    running, waiting = producer.submit(tier="small"), producer.submit(tier="small", progress=1)
    producer.wait(waiting, "placed")
    assert whats(producer.ask("job", id=waiting)["job"]) == ["accepted"], "at the door it has no record"
    wait_for("it in its lane", lambda: whats(producer.ask("job", id=waiting)["job"]) == ["accepted", "queued"])
    worker.finish(running, "failed", error="engine_error")
    wait_for("the record", lambda: producer.ask("job", id=running)["job"]["state"] == "failed")
    end = producer.ask("job", id=running)["job"]["history"][-1]
    assert (end["what"], end["error"], end["words"]) == ("failed", "engine_error", "no")
    producer.ask("cancel", id=waiting)
    worker.holds(waiting)
    worker.finish(waiting, "cancelled", error="cancelled")
    wait_for("its end", lambda: producer.ask("job", id=waiting)["job"]["state"] == "cancelled")
    assert whats(producer.ask("job", id=waiting)["job"]) == ["accepted", "queued", "placed", "started", "cancelled"]


def test_the_story_of_one_that_is_refused(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    time.sleep(4.2)  # the grace of a new leader
    job = producer.submit(tier="small")
    producer.wait(job)
    wait_for("the record", lambda: "job" in producer.ask("job", id=job))
    (refused,) = producer.ask("job", id=job)["job"]["history"]
    assert (refused["what"], refused["error"]) == ("no_capacity", "no_capacity")
    assert refused["words"] == "no worker serves Small-1B"


def test_a_story_is_capped(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small")
    worker.holds(job)
    wait_for("the record", lambda: fleet.record(job).get("state") == "placed")
    lines = [json.dumps({"at_ms": n, "what": "handed_back"}) for n in range(100)]
    fleet.keys("HSET", f"og:{fleet.cluster.name}:job:{job}", "history", "\t".join(lines))
    worker.finish(job)
    wait_for("its end", lambda: fleet.record(job).get("state") == "done")
    history = producer.ask("job", id=job)["job"]["history"]
    assert len(history) == 64 and [e["what"] for e in history[-2:]] == ["started", "done"]
    assert [e["at_ms"] for e in history[:62]] == list(range(38, 100))
