"""og-scheduler against a real RabbitMQ and Redis, with producers and workers that the tests drive."""

import itertools
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from proxy import Proxy
from services import Rabbit, wait_for

from cluster import Cluster
from fleet import PROGRAM, Fleet, Worker

names = itertools.count()


@pytest.fixture
def fleet(tmp_path):
    f = Fleet(tmp_path, f"scheduler-{next(names)}")
    yield f
    f.close()


def test_a_job_goes_through_and_is_recorded(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = producer.submit(b'{"prompt":"2+2"}', tier="small")
    worker.finish(job)
    done = producer.wait(job)
    assert (done.what, done.state, done.json) == ("done", "done", {"text": '{"prompt":"2+2"}'})
    assert producer.of(job, "placed") == []
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 5)
    record = fleet.record(job)
    assert {k: record[k] for k in ("tier", "class", "tenant", "submitter", "node_name", "attempt")} == {
        "tier": "Small-1B",
        "class": "normal",
        "tenant": "local",
        "submitter": producer.user,
        "node_name": "NodeA",
        "attempt": "1",
    }
    assert int(record["accepted_ms"]) <= int(record["placed_ms"]) <= int(record["ended_ms"])
    assert producer.ask("result", id=job) == {"state": "done", "result": done.json}


def test_headers_of_the_work(fleet):
    scheduler = fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    before = int(time.time() * 1000)
    job = producer.submit(model="SMALL", stream=1, max_tokens=7, tenant="forged", attempt=9, epoch=9, foreign="kept")
    worker.holds(job)
    _, properties, _ = worker.held[job]
    h = properties.headers
    assert (properties.type, properties.message_id, properties.correlation_id) == ("inference_request", job, job)
    assert (properties.reply_to, properties.user_id) == (producer.reply, "scheduler")
    assert (h["og-tier"], h["og-model"], h["og-class"]) == ("Small-1B", "SMALL", "normal")
    assert (h["og-submitter"], h["og-tenant"]) == (producer.user, "local")
    assert (h["og-attempt"], h["og-stream"], h["og-max-tokens"], h["og-foreign"]) == (1, 1, 7, "kept")
    assert h["og-epoch"] == scheduler.status()["scheduler"]["epoch"] and len(h["og-lease"]) == 64
    assert before <= h["og-accepted"] <= time.time() * 1000
    assert h["og-deadline"] == h["og-accepted"] + 3600_000


def test_admission_and_progress(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(slots=2), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    jobs = [producer.submit(tier="small", progress=1) for _ in range(6)]
    worker.holds(*jobs[:2])
    assert [producer.wait(j, "placed").state for j in jobs] == ["placed"] * 3 + ["queued"] * 3
    assert [producer.wait(j, "placed").headers.get("og-ahead", 0) for j in jobs[3:]] == [0, 1, 2]
    tier = producer.ask("tiers")["tiers"][0]
    assert (tier["id"], tier["slots"], tier["placed"], tier["waiting"]) == ("Small-1B", 2, 3, 3)
    for j in jobs:
        worker.finish(j)
    assert {producer.wait(j).state for j in jobs} == {"done"}
    assert worker.taken == jobs
    assert [m.state for m in producer.of(jobs[5], "placed")] == ["queued", "placed"]
    tier = producer.ask("tiers")["tiers"][0]
    assert (tier["placed"], tier["waiting"]) == (0, 0)


def test_classes_in_order_and_within_them_the_oldest(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    producer, gateway = fleet.producer(), fleet.producer("gateway")
    by_class = {}
    for n in range(4):
        for name in ("batch", "normal", "high"):
            submit = (producer if n % 2 else gateway).submit
            by_class.setdefault(name, []).append(submit(tier="small", **{"class": name}, tenant=f"t{n}"))
    wait_for("all to wait", lambda: producer.ask("tiers")["tiers"][0]["waiting"] == 12)
    time.sleep(0.3)  # the heads of the lanes come up
    worker = fleet.worker(slots=1)
    for job in by_class["high"] + by_class["normal"] + by_class["batch"]:
        worker.finish(job)
    assert worker.taken == by_class["high"] + by_class["normal"] + by_class["batch"]


def test_cancel_of_one_that_waits(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    first, second, third = (producer.submit(tier="small", progress=1) for _ in range(3))
    producer.wait(third, "placed")
    assert producer.ask("cancel", id=second) == {"state": "cancelled"}
    done = producer.wait(second)
    assert (done.state, done.headers["og-error"], done.json["error"]["type"]) == ("cancelled",) * 3
    assert producer.ask("cancel", id=second)["state"] in ("cancelled", "cancelling")
    worker.finish(first)
    worker.finish(third)
    producer.wait(third)
    assert worker.taken == [first, third]
    assert producer.ask("cancel", id=third) == {"state": "done"}
    assert producer.ask("cancel", id=str(uuid.uuid4()))["error"]["type"] == "not_found"
    wait_for("the record", lambda: producer.ask("cancel", id=second) == {"state": "cancelled"})


def test_cancel_of_one_that_runs_goes_to_its_worker(fleet):
    fleet.scheduler()
    worker, other, producer = fleet.worker(), fleet.worker("NodeB"), fleet.producer()
    job = producer.submit(tier="small")
    wait_for("somebody to run it", lambda: producer.ask("result", id=job) == {"state": "running"})
    runs, idle = (worker, other) if worker.held else (other, worker)
    assert producer.ask("cancel", id=job) == {"state": "cancelling"}
    wait_for("the cancel", lambda: job in runs.cancels)
    runs.finish(job, "cancelled", error="cancelled")
    assert producer.wait(job).state == "cancelled"
    assert idle.cancels == []


def test_deadlines(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    running = producer.submit(tier="small")
    worker.holds(running)
    late = producer.submit(tier="small", deadline=int(time.time() * 1000) - 1)
    assert producer.wait(late).state == "expired"
    deadline = time.time() + 1.5
    waiting = producer.submit(tier="small", deadline=int(deadline * 1000))
    done = producer.wait(waiting)
    off = time.time() - deadline
    assert done.state == "expired" and -0.01 <= off < 1, off
    after = producer.submit(tier="small")
    worker.finish(running)
    worker.finish(after)
    producer.wait(after)
    assert worker.taken == [running, after]


def test_which_tier(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    unknown = producer.submit(tier="smal")
    done = producer.wait(unknown)
    assert (done.state, done.headers["og-error"]) == ("failed", "unknown_model") and "Small-1B" in done.json["error"]["message"]
    small, large = fleet.worker(slots=1), fleet.worker("NodeB", "Large-7.5B", slots=1)
    wait_for("the workers", lambda: [t["workers"] for t in producer.ask("tiers")["tiers"]] == [1, 1])
    first = producer.submit()
    large.holds(first)
    second = producer.submit(tier="auto")
    small.holds(second)
    by_model = producer.submit(tier="auto", model="large")
    large.finish(first)
    large.finish(by_model)
    small.finish(second)
    for job in (first, second, by_model):
        assert producer.wait(job).state == "done"


def test_no_capacity_is_said_at_once_but_not_by_a_new_leader(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    early = producer.submit(tier="large", progress=1)
    auto = producer.submit()
    assert producer.wait(early, "placed").state == "queued"
    # The tier of auto is not known until the fleet was heard: then it is refused.
    assert producer.wait(auto).state == "no_capacity"
    refused = producer.submit(tier="small")
    done = producer.wait(refused, timeout=2)
    assert (done.state, done.headers["og-error"]) == ("no_capacity", "no_capacity")
    assert producer.of(early, "done") == []
    worker = fleet.worker("NodeB", "Large-7.5B")
    worker.finish(early)
    assert producer.wait(early).state == "done"


def test_a_crowd_that_comes_before_the_fleet_was_heard_waits(fleet):
    """Whoever names no tier waits until somebody is heard; however many they are, nobody is turned away."""
    fleet.scheduler()
    producer = fleet.producer()
    jobs = [producer.submit() for _ in range(700)]
    fleet.worker(slots=50, echo=True)
    wait_for("all answers", lambda: all(producer.of(job, "done") for job in jobs), 30)
    assert {producer.of(job, "done")[0].state for job in jobs} == {"done"}


def test_what_came_before_the_fleet_was_heard_does_not_wait_for_nobody(fleet):
    fleet.scheduler("one", "scheduler.no_capacity_after=5s")
    producer = fleet.producer()
    early = producer.submit(tier="large")
    done = producer.wait(early, timeout=15)
    assert (done.state, done.json["error"]["message"]) == ("no_capacity", "no worker serves Large-7.5B")


def test_an_explicit_id_is_one_job(fleet):
    scheduler = fleet.scheduler()
    worker, producer, again = fleet.worker(), fleet.producer(), fleet.producer()
    job = producer.submit(b'{"prompt":"a"}', tier="small", explicit_id=1)
    worker.holds(job)
    again.submit(b'{"prompt":"a"}', job=job, tier="small", explicit_id=1)
    wait_for("it to be noticed", lambda: scheduler.status()["process"]["duplicates"] == 1)
    other_body = fleet.producer()
    other_body.submit(b'{"prompt":"b"}', job=job, tier="small", explicit_id=1)
    refused = other_body.wait(job)
    assert (refused.state, refused.headers["og-error"]) == ("failed", "invalid_request")
    worker.finish(job)
    assert producer.wait(job).what == "done"
    live = again.wait(job)
    assert (live.what, live.state, live.body) == ("result", "done", producer.wait(job).body)
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 5)
    later = fleet.producer()
    later.submit(b'{"prompt":"a"}', job=job, tier="small", explicit_id=1)
    stored = later.wait(job)
    assert (stored.what, stored.type, stored.state, stored.body) == ("result", "inference_response", "done", live.body)
    assert worker.taken == [job]


def test_ids_belong_to_their_tenant(fleet):
    fleet.scheduler()
    worker, producer, gateway = fleet.worker(), fleet.producer(), fleet.producer("gateway")
    for explicit in (0, 1):
        job = producer.submit(tier="small", explicit_id=explicit)
        worker.holds(job)
        gateway.submit(job=job, tier="small", explicit_id=explicit, tenant="other")
        assert gateway.wait(job).headers["og-error"] == "invalid_request"
        worker.finish(job)
        assert producer.wait(job).state == "done"
    assert gateway.ask("result", id=job)["state"] == "done", "the role gateway sees all"
    job = gateway.submit(tier="small", tenant="other")
    worker.finish(job)
    assert gateway.wait(job).state == "done"
    assert producer.ask("result", id=job)["error"]["type"] == "not_found"
    assert producer.ask("job", id=job)["error"]["type"] == "not_found"
    assert producer.ask("cancel", id=job)["error"]["type"] == "not_found"
    assert gateway.ask("job", id=job)["job"]["tenant"] == "other"
    assert [j["id"] for j in gateway.ask("jobs", tenant="other")["jobs"]] == [job]
    assert job not in [j["id"] for j in producer.ask("jobs", tenant="other")["jobs"]]


def test_a_submit_that_is_repeated_runs_once(fleet):
    fleet.scheduler()
    worker, producer, moved = fleet.worker(), fleet.producer(), fleet.producer()
    job = producer.submit(tier="small")
    worker.holds(job)
    producer.submit(job=job, tier="small")
    moved.submit(job=job, tier="small")
    time.sleep(0.3)
    worker.finish(job)
    assert producer.wait(job).what == "done"
    assert moved.wait(job).what == "result"
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 5)
    moved.submit(job=job, tier="small")
    wait_for("it told again", lambda: len(moved.of(job, "result")) == 2)
    assert worker.taken == [job]


def test_a_turned_away_id_may_come_again(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    time.sleep(4.2)  # the grace of a new leader
    job = producer.submit(tier="small", explicit_id=1)
    assert producer.wait(job).state == "no_capacity"
    wait_for("the record", lambda: fleet.record(job).get("state") == "no_capacity", 5)
    worker = fleet.worker()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    producer.submit(job=job, tier="small", explicit_id=1)
    worker.finish(job)
    wait_for("its answer", lambda: [m.state for m in producer.of(job, "done")] == ["no_capacity", "done"])
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 5)


def test_a_turned_away_plain_id_may_come_again(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    time.sleep(4.2)  # the grace of a new leader
    job = producer.submit(tier="small")
    assert producer.wait(job).state == "no_capacity"
    wait_for("the record", lambda: fleet.record(job).get("state") == "no_capacity", 5)
    worker = fleet.worker()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    producer.submit(job=job, tier="small")
    worker.finish(job)
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 5)
    assert "refused" not in fleet.record(job)
    assert producer.ask("result", id=job)["result"] == {"text": '{"prompt":"hello"}'}


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


def test_what_cannot_be_routed_is_refused(fleet):
    """Headers beyond those that are read, and ids that others would take for different ones."""
    fleet.scheduler()
    fleet.worker(echo=True)
    producer = fleet.producer()
    many = producer.submit(tier="small", **{f"foreign_{n}": 1 for n in range(50)})
    done = producer.wait(many)
    assert done.state == "failed" and "more than 48 headers" in done.json["error"]["message"]
    upper = producer.submit(job=str(uuid.uuid4()).upper(), tier="small")
    letters = []
    wait_for("both as dead letters", lambda: letters.extend(dead_letters(fleet)) or len(letters) == 2)
    assert {p.message_id for p, _ in letters} == {many, upper}


def test_a_question_that_cannot_be_read_is_answered(fleet):
    fleet.scheduler()
    producer = fleet.producer()

    def ask(**headers):
        question = str(uuid.uuid4())
        properties = {"type": "rpc_request", "message_id": question, "reply_to": producer.reply, "headers": headers}
        producer.do(lambda: producer.publish("og.rpc", "rpc", b"{}", **properties))
        return producer.wait(question, "rpc").json["error"]["type"]

    assert ask(**{"og-version": "9.0", "og-verb": "peers"}) == "unknown_version"
    assert ask() == "invalid_request"


def test_a_forged_or_second_done_changes_nothing(fleet):
    scheduler = fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    job = producer.submit(tier="small")
    worker.holds(job)

    def forge(**headers):
        worker.publish(
            "og.replies",
            f"{producer.reply}.done",
            b'{"text":"forged"}',
            type="inference_response",
            message_id=job,
            delivery_mode=2,
            headers={"og-state": "done", **headers},
        )

    right = dict(worker.held[job][1].headers)
    for headers in ({}, {"og-lease": "0" * 64, "og-attempt": 1, "og-epoch": right["og-epoch"]},
                    {"og-lease": right["og-lease"], "og-attempt": 2, "og-epoch": right["og-epoch"]},
                    {"og-lease": right["og-lease"], "og-attempt": 1, "og-epoch": right["og-epoch"] + 1}):  # fmt: skip
        worker.do(lambda headers=headers: forge(**headers))
    wait_for("four counted", lambda: scheduler.status()["process"]["forged"] == 4)
    assert fleet.record(job)["state"] == "placed"
    worker.do(lambda: worker.settle(job, ack=False))
    wait_for("the record", lambda: fleet.record(job)["state"] == "done", 5)
    # A second one, with a lease that fits: the first has won.
    worker.do(lambda: forge(**{k: right[k] for k in ("og-lease", "og-attempt", "og-epoch")}))
    wait_for("it counted", lambda: scheduler.status()["process"]["duplicates"] == 1)
    assert producer.ask("result", id=job)["result"] == {"text": '{"prompt":"hello"}'}
    counters = producer.ask("status")["counters"]
    assert (counters["forged"], counters["duplicates"], counters["done"]) == (4, 1, 1)


def test_a_node_speaks_for_itself_alone(fleet, tmp_path):
    """The workers of another node, with real credentials of their own, are neither taken away nor taken over."""
    scheduler = fleet.scheduler()
    worker = fleet.worker(slots=2)
    there = Cluster(tmp_path / "there", "there")
    there.run("accept", fleet.invite("nodeb").strip())
    there.name = fleet.cluster.name
    other = fleet.client(Worker(there, "NodeB", "Small-1B", 1))
    wait_for("both", lambda: [t["slots"] for t in fleet.producer().ask("tiers")["tiers"] if t["id"] == "Small-1B"] == [3])
    for claim in ({"node_id": worker.node}, {"instance": worker.instance}, {"instance": worker.instance, "leaving": True}):
        other.do(lambda claim=claim: other.say_presence(**claim))
    wait_for("three counted", lambda: scheduler.status()["process"]["forged"] == 3)
    # What it says that it runs is what it was given, and no invention.
    run = {"id": str(uuid.uuid4()), "attempt": 1, "run": 0, "epoch": 1, "started_ms": 1}
    for lease in ({}, {"lease": "0" * 16}):
        other.do(lambda lease=lease: other.say_presence(running=[{**run, **lease}]))
    wait_for("two more", lambda: scheduler.status()["process"]["forged"] == 5)
    assert fleet.producer().ask("status")["scheduler"]["placed"] == 0
    peers = {p["name"]: p["id"] for p in fleet.producer().ask("peers")["peers"]}
    assert peers == {"NodeA": worker.node, "NodeB": other.node}


def dead_letters(fleet):
    letters = []
    connection = fleet.cluster.connect(*fleet.cluster.credentials("admin"))
    while True:
        method, properties, body = connection.channel().basic_get("og.dead.intake", auto_ack=True)
        if not method:
            connection.close()
            return letters
        letters.append((properties, body))


def test_malformed_submits_are_dead_letters(fleet):
    fleet.cluster.run("apply")
    fleet.scheduler()
    producer, stranger = fleet.producer(), fleet.producer("gateway")
    told, untold = [], []
    told.append(producer.submit(tier="small", version="9.0"))
    told.append(producer.submit(tier="small", deadline="soon"))
    told.append(producer.submit(tier="small", **{"class": "royal"}))
    untold.append(producer.submit(tier="small", reply=stranger.reply))
    untold.append(producer.submit(tier="small", reply="nobody"))
    assert [producer.wait(j).headers["og-error"] for j in told] == ["unknown_version"] + ["invalid_request"] * 2
    admin = fleet.cluster.connect(*fleet.cluster.credentials("admin")).channel()
    wait_for("five dead letters", lambda: admin.queue_declare("og.dead.intake", passive=True).method.message_count == 5)
    admin.connection.close()
    letters = {p.message_id: (p, body) for p, body in dead_letters(fleet)}
    assert set(letters) == set(told + untold)
    properties, body = letters[told[0]]
    assert body == b'{"prompt":"hello"}' and properties.headers["og-error"] == "unknown_version"
    assert "9.0" in properties.headers["og-reason"] and properties.headers["og-submitter"] == producer.user
    assert not producer.of(untold[0], "done") and not stranger.messages


def test_busy_when_the_lanes_are_full(tmp_path):
    fleet = Fleet(tmp_path, f"scheduler-{next(names)}", "[scheduler]\nlane_max_jobs = 3\nwaiting_max_bytes = 1MiB\n")
    try:
        fleet.scheduler()
        producer = fleet.producer()
        jobs = [producer.submit(tier="small") for _ in range(60)]
        wait_for("a busy", lambda: any(producer.of(j, "done") for j in jobs))
        busy = next(m for j in jobs for m in producer.of(j, "done"))
        assert busy.state == "busy" and "try in" in busy.json["error"]["message"], busy
        large = [producer.submit(b"x" * 400_000, tier="large") for _ in range(4)]
        assert producer.wait(large[3]).state == "busy"
        assert all(not producer.of(j, "done") for j in large[:2])
    finally:
        fleet.close()


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


def test_a_standby_takes_over(fleet):
    first = fleet.scheduler("one", "scheduler.lookahead_percent=0")
    second = fleet.scheduler("two", "scheduler.lookahead_percent=0", until="standing by")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    running, cancelled, *waiting = [producer.submit(tier="small", progress=1) for _ in range(5)]
    worker.holds(running)
    producer.wait(waiting[-1], "placed")
    first.kill()
    began = time.monotonic()
    second.until("leading", 10)
    assert time.monotonic() - began < 5
    assert producer.ask("result", id=running) == {"state": "running"}
    tier = producer.ask("tiers")["tiers"][0]
    assert (tier["placed"], tier["waiting"]) == (1, 4)
    assert producer.ask("cancel", id=cancelled) == {"state": "cancelled"}
    for job in [running, *waiting]:
        worker.finish(job)
        assert producer.wait(job).state == "done"
    assert worker.taken == [running, *waiting]
    third = fleet.scheduler("three", until="standing by")
    began = time.monotonic()
    second.stop()
    third.until("leading", 10)
    assert time.monotonic() - began < 5
    job = producer.submit(tier="small")
    worker.finish(job)
    assert producer.wait(job).state == "done"


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


def test_the_scheduler_loses_its_connections(fleet):
    host, port = fleet.cluster.amqp.rsplit(":", 1)
    with Proxy((host, int(port))) as proxy:
        scheduler = fleet.scheduler("one", f"broker.endpoints=127.0.0.1:{proxy.port}")
        fleet.worker(echo=True, slots=8)
        producer = fleet.producer()
        jobs = []
        for _ in range(4):
            jobs += [producer.submit(tier="small") for _ in range(60)]
            proxy.cut()
            jobs += [producer.submit(tier="small") for _ in range(30)]
            wait_for("a job to go through", lambda: producer.of(jobs[-1], "done"), 20)  # noqa: B023
        for job in jobs:
            assert producer.wait(job, timeout=30).state == "done"
        tier = producer.ask("tiers")["tiers"][0]
        assert (tier["placed"], tier["waiting"]) == (0, 0)
        scheduler.stop()


def test_a_black_hole_ends_the_leadership(fleet):
    """Nothing comes through and nobody says so: the standby leads as soon as the broker and the heartbeats have noticed."""
    host, port = fleet.cluster.amqp.rsplit(":", 1)
    with Proxy((host, int(port))) as proxy:
        first = fleet.scheduler("one", f"broker.endpoints=127.0.0.1:{proxy.port}", "broker.heartbeat=2s")
        second = fleet.scheduler("two", until="standing by")
        fleet.worker(echo=True)
        producer = fleet.producer()
        producer.wait(producer.submit(tier="small"))
        proxy.swallow = True
        began = time.monotonic()
        second.until("leading", 20)
        assert time.monotonic() - began < 15
        producer.wait(producer.submit(tier="small"))
        wait_for("the first to notice", lambda: "no longer leading" in first.log.read_text(), 15)
        proxy.heal()
        proxy.cut()
        first.until("standing by")


def test_a_worker_that_dies_gives_its_job_to_another(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(slots=1), fleet.producer()
    job = producer.submit(tier="small")
    worker.holds(job)
    other = fleet.worker("NodeB", slots=1)
    worker.vanish()
    other.finish(job)
    done = producer.wait(job)
    assert (done.state, done.headers["og-run"]) == ("done", 1)
    wait_for("the tier to be empty", lambda: producer.ask("tiers")["tiers"][0]["placed"] == 0)


def test_questions(fleet):
    scheduler = fleet.scheduler()
    producer = fleet.producer()
    worker, peer = fleet.worker(), fleet.worker("NodeC", serve=False)
    wait_for("the peers", lambda: len(producer.ask("peers")["peers"]) == 2)
    a, c = sorted(producer.ask("peers")["peers"], key=lambda p: p["name"])
    assert (a["name"], a["serve"], c["name"], c["serve"], c["workers"]) == ("NodeA", True, "NodeC", False, [])
    (w,) = a["workers"]
    assert (w["worker"], w["tier"], w["slots"], w["busy"]) == ("NodeA/Small-1B/1", "Small-1B", 2, 0)
    assert 0 <= w["seen_ms_ago"] < 3000
    wait_for("the membership", lambda: worker.members and worker.members[-1]["count"] == 2)
    assert {m["name"]: m["serve"] for m in worker.members[-1]["members"]} == {"NodeA": True, "NodeC": False}
    peer.close()
    wait_for("the membership", lambda: worker.members[-1]["count"] == 1)
    job = producer.submit(tier="small")
    worker.holds(job)
    wait_for("it to run", lambda: producer.ask("job", id=job)["job"]["state"] == "running")
    assert producer.ask("job", id=job)["job"]["worker"] == "NodeA/Small-1B/1"
    question = producer.ask("wait", wait=False, id=job)
    listed = producer.ask("jobs")["jobs"]
    assert [(j["id"], j["state"], j["tier"]) for j in listed] == [(job, "running", "Small-1B")]
    assert producer.of(question) == []
    worker.finish(job)
    answer = producer.wait(question, "rpc").json
    assert answer == {"state": "done", "result": producer.wait(job).json}
    assert producer.ask("wait", id=job) == answer
    status = producer.ask("status")
    assert status["scheduler"]["epoch"] == scheduler.status()["scheduler"]["epoch"]
    assert (status["counters"]["accepted"], status["counters"]["done"]) == (1, 1)
    assert producer.ask("dance")["error"]["type"] == "invalid_request"
    assert producer.ask("job", id="x")["error"]["type"] == "invalid_request"
    assert producer.ask("jobs", limit=0)["error"]["type"] == "invalid_request"


def test_results_have_a_budget(tmp_path):
    fleet = Fleet(tmp_path, f"scheduler-{next(names)}", "[scheduler]\nresult_max_bytes = 1MiB\n")
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


def test_a_missing_queue_holds_its_jobs_until_it_is_there(fleet):
    scheduler = fleet.scheduler()
    producer = fleet.producer()
    worker = fleet.worker()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    admin = fleet.cluster.connect(*fleet.cluster.credentials("admin"))
    admin.channel().queue_delete("og.tier.small-1b")
    admin.close()
    worker.vanish()
    jobs = [producer.submit(tier="small") for _ in range(3)]
    wait_for("a word about it", lambda: "run og-broker-config apply" in scheduler.log.read_text())
    fleet.cluster.run("apply")
    other = fleet.worker("NodeB", echo=True)
    for job in jobs:
        assert producer.wait(job).state == "done"
    assert sorted(other.taken) == sorted(jobs)


@pytest.mark.parametrize(
    "setting, words",
    [("cluster.id=nowhere", "vhost 'nowhere'"), ("password", "password was refused"), ("lease", "run og-broker-config apply")],
)
def test_what_cannot_work_is_said(fleet, setting, words):
    settings = [setting] if "=" in setting else []
    if setting == "password":
        fleet.cluster.secret("scheduler", "scheduler", "wrong")
    if setting == "lease":
        (fleet.cluster.root / "secrets/lease.key").unlink()
    s = fleet.scheduler("one", *settings, until=None)
    assert s.process.wait(20) == 1
    assert words in s.tail(), s.tail()


def test_a_redis_that_refuses_us_is_said_and_stops_nobody(fleet):
    s = fleet.scheduler("one", "redis.user=nobody")
    assert "Redis refuses the scheduler" in s.log.read_text()
    fleet.worker(echo=True)
    producer = fleet.producer()
    assert producer.wait(producer.submit(tier="small")).state == "done"
    assert producer.ask("status")["scheduler"]["redis"] == "away"


def test_usage():
    def run(*args):
        return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False)

    assert run("--help").returncode == 0 and "--set SECTION.KEY=VALUE" in run("--help").stdout
    assert run("--version").stdout.startswith("og-scheduler ")
    for wrong in (["--dance"], ["now"], ["--set"]):
        assert run(*wrong).returncode == 2
    unknown = run("--set", "scheduler.danse=1")
    assert unknown.returncode == 1 and "scheduler.danse" in unknown.stderr


def test_no_topology_is_said_and_mended(fleet):
    admin = fleet.cluster.connect(*fleet.cluster.credentials("admin"))
    admin.channel().queue_delete("og.state")
    admin.close()
    s = fleet.scheduler(until=None)
    wait_for("a word about it", lambda: "run og-broker-config apply" in s.log.read_text(), 20, s.process)
    assert not s.status()["ready"]
    fleet.cluster.run("apply")
    s.until("leading")


@pytest.mark.parametrize("victims", ["schedulers", "redis", "both"])
def test_nothing_is_lost_while_they_are_killed(fleet, victims):
    """Jobs flow all the time, some of them more than there are slots; each ends as done for its submitter, however often leaders and
    Redis die on the way."""
    settings = ("scheduler.lookahead_percent=50",)
    schedulers = [fleet.scheduler("s0", *settings), fleet.scheduler("s1", *settings, until="standing by")]
    workers = [fleet.worker(f"Node{n}", slots=4, echo=True) for n in range(2)]
    producer = fleet.producer()
    jobs = []
    for round_ in range(6):
        jobs += [producer.submit(tier="small", explicit_id=n % 2, **{"class": ("high", "batch")[n % 2]}) for n in range(60)]
        if victims in ("redis", "both"):
            fleet.redis.kill() if round_ % 2 == 0 else fleet.redis.start()
        if victims in ("schedulers", "both"):
            leader = next((s for s in schedulers if s.state().startswith("leading")), None)
            if leader:
                leader.kill()
                schedulers.remove(leader)
                schedulers.append(fleet.scheduler(f"s{round_ + 2}", *settings, until=None))
        jobs += [producer.submit(tier="small", explicit_id=n % 2) for n in range(20)]
    for job in jobs:
        assert producer.wait(job, timeout=60).state == "done"
    for worker in workers:
        wait_for("the workers to be idle", lambda: not worker.held)  # noqa: B023
    wait_for("the tier to be empty", lambda: producer.ask("status", timeout=60)["scheduler"]["waiting"] == 0, 30)
    wait_for("all recorded", lambda: all(fleet.record(j).get("state") == "done" for j in jobs[-20:]), 30)
    taken = [job for worker in workers for job in worker.taken]
    assert set(taken) == set(jobs)
    print("run twice:", len(taken) - len(jobs))


def taken(producer):
    scheduler = producer.ask("status")["scheduler"]
    return scheduler["placed"] + scheduler["waiting"]


def test_the_broker_is_restarted_with_a_backlog(tmp_path):
    """In order first, then by SIGKILL. (A quorum queue of one member that is killed within a second of its making never finds its
    leader again, in RabbitMQ 3.10; after an orderly stop it is past that.)"""
    rabbit = Rabbit(tmp_path / "rabbit").start()
    fleet = Fleet(tmp_path / "root", "restarted", rabbit=rabbit)
    try:
        scheduler = fleet.scheduler("one", "scheduler.no_capacity_after=1h")
        fleet.worker(slots=2).vanish()
        jobs = []
        for end, notices in ((rabbit.stop, 1), (rabbit.kill, 2)):
            producer = fleet.producer()
            jobs += [producer.submit(tier="small", **{"class": ("high", "batch")[n % 2]}) for n in range(20)]
            wait_for("all to have come", lambda: taken(producer) == len(jobs))  # noqa: B023
            producer.close()
            end()
            told = lambda: scheduler.log.read_text().count("no longer leading")
            wait_for("it to be noticed", lambda: told() == notices, 20)  # noqa: B023
            rabbit.start()
            scheduler.until("leading, epoch", 40)
        asks = fleet.producer()
        wait_for("the backlog", lambda: asks.ask("tiers")["tiers"][0]["waiting"] == 37, 20)
        worker = fleet.worker("NodeB", slots=4, echo=True)
        wait_for("all to end", lambda: all(asks.ask("result", id=j)["state"] == "done" for j in jobs), 30)
        assert sorted(worker.taken) == sorted(jobs)
        tier = asks.ask("tiers")["tiers"][0]
        assert (tier["waiting"], tier["placed"]) == (0, 0)
    finally:
        fleet.close()
        rabbit.stop()
