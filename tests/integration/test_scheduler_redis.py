"""Redis beside the scheduler: away, emptied, out of memory, failed over; on a real RabbitMQ and Redis (docs/SCHEDULER.md)."""

import json
import time
import uuid

from services import wait_for

from fleet import Fleet


def test_redis_away_and_back(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(echo=True), fleet.producer()
    before = producer.submit(tier="small")
    producer.wait(before)
    wait_for("the record", lambda: fleet.record(before).get("state") == "done", 5)
    fleet.redis.stop()
    jobs = [producer.submit(tier="small") for _ in range(20)]
    for job in jobs:
        assert producer.wait(job).state == "done"
    explicit = producer.submit(tier="small", explicit_id=1)
    assert "Redis" in producer.ask("result", id=jobs[0])["error"]["message"]
    admin = fleet.cluster.connect(*fleet.cluster.credentials("admin"))

    def aside():
        return admin.channel().queue_declare("og.state.later", passive=True).method.message_count

    wait_for("all aside but those that the scheduler holds", lambda: aside() == 20 - 16, 20)
    assert producer.of(explicit, "done") == []
    fleet.redis.start()
    wait_for("all of them stored", lambda: all(fleet.record(j).get("state") == "done" for j in jobs), 20)
    assert producer.wait(explicit).state == "done"
    assert aside() == 0
    assert worker.taken == [before, *jobs, explicit]
    admin.close()


def test_redis_forgets_all(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    jobs = [producer.submit(tier="small") for _ in range(5)]
    worker.holds(jobs[0])
    fleet.keys("FLUSHALL")
    fleet.keys("SCRIPT", "FLUSH")
    for job in jobs:
        worker.finish(job)
        assert producer.wait(job).state == "done"
    wait_for("the records", lambda: all(fleet.record(j).get("state") == "done" for j in jobs), 5)
    assert producer.ask("result", id=jobs[0])["state"] == "done"


def test_takeover_with_redis_gone_serves_the_lanes(fleet):
    first = fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    running, *waiting = [producer.submit(tier="small", progress=1) for _ in range(12)]
    worker.holds(running)
    producer.wait(waiting[-1], "placed")
    first.kill()
    fleet.redis.kill()
    fleet.scheduler("two", "scheduler.lookahead_percent=0")
    for job in [running, *waiting]:
        worker.finish(job)
        assert producer.wait(job).state == "done"
    assert worker.taken == [running, *waiting]
    fleet.redis.start()
    wait_for("their records", lambda: all(fleet.record(j).get("state") == "done" for j in [running, *waiting]), 20)


def test_a_deposed_leader_changes_nothing(fleet):
    scheduler = fleet.scheduler()
    fleet.worker(echo=True)
    producer = fleet.producer()
    epoch = scheduler.status()["scheduler"]["epoch"]
    key = f"og:{fleet.cluster.name}:epoch"
    assert fleet.keys("GET", key) == [str(epoch)]
    later = epoch + 1_000_000
    fleet.keys("SET", key, later)
    job = producer.submit(tier="small")
    assert producer.wait(job).state == "done"
    wait_for("a later epoch", lambda: scheduler.status().get("scheduler", {}).get("epoch", 0) > later, 20)
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 10)
    assert "Redis knows a later leader" in scheduler.log.read_text()


def test_results_have_a_budget(tmp_path):
    fleet = Fleet(tmp_path, "budget", "[scheduler]\nresult_max_bytes = 1MiB\n")
    try:
        fleet.scheduler()
        worker, producer = fleet.worker(), fleet.producer()
        jobs = [producer.submit(tier="small") for _ in range(5)]
        for job in jobs:
            worker.finish(job, body=json.dumps({"text": "x" * 300_000}).encode())
            producer.wait(job)
            wait_for("the record", lambda job=job: fleet.record(job).get("state") == "done", 5)
        gone, kept = producer.ask("result", id=jobs[0]), producer.ask("result", id=jobs[4])
        assert gone["error"]["type"] == "result_gone" and len(kept["result"]["text"]) == 300_000
        assert int(fleet.keys("GET", f"og:{fleet.cluster.name}:results_bytes")[0]) <= 1024 * 1024
        again = fleet.producer()
        producer.submit(job=jobs[0], tier="small")
        wait_for("it to be told", lambda: producer.of(jobs[0], "result"))
        assert producer.of(jobs[0], "result")[0].headers["og-error"] == "result_gone"
        again.close()
    finally:
        fleet.close()


def test_an_id_whose_record_was_lost_is_told_so(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(tier="small")
    worker.finish(job)
    producer.wait(job, "done")
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 5)
    fleet.keys("FLUSHALL")
    again = fleet.producer()
    again.submit(job=job, tier="small")
    told = again.wait(job, "result")
    assert (told.state, told.headers["og-error"]) == ("failed", "result_gone")


def test_a_redis_that_refuses_us_is_said_and_stops_nobody(fleet):
    s = fleet.scheduler("one", "redis.user=nobody")
    assert "Redis refuses the scheduler" in s.log.read_text()
    fleet.worker(echo=True)
    producer = fleet.producer()
    assert producer.wait(producer.submit(tier="small")).state == "done"
    assert producer.ask("status")["scheduler"]["redis"] == "away"


def test_what_redis_forgets_is_written_again(fleet):
    """FLUSHALL while it leads: the records of what lives, what operators ordered, and the leader's epoch."""
    scheduler = fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer, operator = fleet.worker(slots=1), fleet.producer(), fleet.producer("operator")
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    operator.ask("pause", tier="large")
    running, *waiting = [producer.submit(tier="small") for _ in range(5)]
    paused = producer.submit(tier="large")
    states = ["placed", *["queued"] * 5]
    recorded = lambda: [fleet.record(j).get("state") for j in (running, *waiting, paused)] == states
    wait_for("their records", recorded)
    fleet.keys("FLUSHALL")
    fleet.keys("SCRIPT", "FLUSH")
    wait_for("their records again", recorded, 10)
    prefix = f"og:{fleet.cluster.name}:"
    assert fleet.keys("GET", prefix + "epoch") == [str(scheduler.status()["scheduler"]["epoch"])]
    assert fleet.keys("HGETALL", prefix + "orders") == ["tier:Large-7.5B", "paused"]
    assert len(producer.ask("jobs", state="queued")["jobs"]) == 5 == len(producer.ask("jobs")["jobs"]) - 1
    # The next leader finds all of it.
    scheduler.kill()
    fleet.scheduler("two", "scheduler.lookahead_percent=0")
    tiers = producer.ask("queues")["tiers"]
    assert [(q["paused"], sum(q["waiting"].values())) for q in tiers] == [(False, 4), (True, 1)]
    left = {running, *waiting}
    while left:  # in the order in which the heads of their lanes came to the new leader
        wait_for("one of them to run", lambda: left & set(worker.held), 10)
        job = (left & set(worker.held)).pop()
        worker.finish(job)
        assert producer.wait(job).state == "done"
        left.remove(job)


def test_writes_that_a_failover_lost_are_written_again(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    running, kept, lost = (producer.submit(tier="small") for _ in range(3))
    wait_for("their records", lambda: all(fleet.record(j).get("state") for j in (running, kept, lost)))
    record = fleet.record(kept)
    prefix = f"og:{fleet.cluster.name}:"
    fleet.keys("DEL", f"{prefix}job:{lost}")
    fleet.keys("ZREM", f"{prefix}open", lost)
    fleet.keys("CLIENT", "KILL", "TYPE", "normal")
    wait_for("its record", lambda: fleet.record(lost).get("state") == "queued", 10)
    assert fleet.record(kept) == record
    for job in (running, kept, lost):
        worker.finish(job)
    wait_for("their ends", lambda: all(fleet.record(j).get("state") == "done" for j in (running, kept, lost)))


def test_a_redis_without_memory_delays_records_and_no_job(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(echo=True), fleet.producer()
    producer.wait(producer.submit(tier="small"))
    other = fleet.worker("NodeB", "Large-7.5B", slots=1)
    wait_for("both workers", lambda: [t["workers"] for t in producer.ask("tiers")["tiers"]] == [1, 1])
    fleet.keys("CONFIG", "SET", "maxmemory-policy", "noeviction")
    fleet.keys("CONFIG", "SET", "maxmemory", "1")
    running = producer.submit(tier="large")
    jobs = [producer.submit(tier="small") for _ in range(20)]
    for job in jobs:
        assert producer.wait(job).state == "done"
    time.sleep(1.5)  # it is tried meanwhile
    assert not any(fleet.record(j) for j in jobs)
    fleet.keys("CONFIG", "SET", "maxmemory", "0")
    wait_for("all of them stored", lambda: all(fleet.record(j).get("state") == "done" for j in jobs), 20)
    assert worker.taken[1:] == jobs
    wait_for("the record of what still runs", lambda: fleet.record(running).get("state") == "placed", 20)
    assert other.taken == [running]


def test_what_is_not_known_yet_after_a_takeover_is_not_denied(fleet):
    """Redis was emptied with the leader gone: the next one knows what waits as the lanes come up, sixteen of each at first."""
    first = fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    running, *waiting = [producer.submit(tier="small") for _ in range(30)]
    worker.holds(running)
    wait_for("all in their lane", lambda: fleet.record(waiting[-1]).get("state") == "queued")
    first.kill()
    fleet.keys("FLUSHALL")
    fleet.scheduler("two", "scheduler.lookahead_percent=0")
    wait_for("the first of them", lambda: producer.ask("result", id=waiting[0]).get("state") == "queued")
    nobody = str(uuid.uuid4())
    for verb in ("result", "job", "cancel", "attach"):
        for job in (waiting[-1], nobody):
            error = producer.ask(verb, id=job)["error"]
            assert error["type"] == "busy" and "being rebuilt" in error["message"]
    for job in (running, *waiting):
        worker.finish(job)
        assert producer.wait(job).state == "done"
    wait_for("the lanes' ends", lambda: producer.ask("result", id=nobody)["error"]["type"] == "not_found", 10)
