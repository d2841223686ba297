"""og-scheduler against a real RabbitMQ and Redis, with producers and workers that the tests drive: the way of a job."""

import time
import uuid

from services import wait_for

from cluster import Cluster
from fleet import Fleet, Worker


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


def test_classes_in_order_and_within_them_the_oldest_of_equals(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    producer = fleet.producer("gateway")
    by_class = {}
    for n in range(4):
        for name in ("batch", "normal", "high"):
            by_class.setdefault(name, []).append(producer.submit(tier="small", **{"class": name}, tenant=f"t{n}"))
    wait_for("all to wait", lambda: producer.ask("tiers")["tiers"][0]["waiting"] == 12)
    time.sleep(0.3)  # the heads of the lanes come up
    worker = fleet.worker(slots=1)
    for job in by_class["high"] + by_class["normal"] + by_class["batch"]:
        worker.finish(job)
    assert worker.taken == by_class["high"] + by_class["normal"] + by_class["batch"]


def test_batch_leaves_a_slot_to_who_is_in_a_hurry(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(slots=2), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    lines = [producer.submit(tier="small", progress=1, **{"class": "batch"}) for _ in range(3)]
    worker.holds(lines[0])
    assert [producer.wait(j, "placed").state for j in lines] == ["placed", "queued", "queued"]
    chat = producer.submit(tier="small")
    worker.holds(lines[0], chat)
    worker.finish(chat)
    producer.wait(chat)
    worker.finish(lines[0])
    worker.holds(lines[1])
    assert producer.ask("tiers")["tiers"][0]["placed"] == 1
    for j in lines[1:]:
        worker.finish(j)
    assert {producer.wait(j).state for j in lines} == {"done"}
    assert worker.taken == [lines[0], chat, *lines[1:]]


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
    # The large one is taken to need 10 s for each.
    second = producer.submit(tier="auto", deadline=int(time.time() * 1000) + 13000)
    small.holds(second)
    by_model = producer.submit(tier="auto", model="large")
    best = producer.submit(tier="auto")
    large.finish(first)
    large.finish(by_model)
    large.finish(best)
    small.finish(second)
    for job in (first, second, by_model, best):
        assert producer.wait(job).state == "done"


def test_no_capacity_is_said_at_once_but_not_by_a_new_leader(fleet):
    producer = fleet.producer()
    early = producer.submit(tier="large", progress=1)
    auto = producer.submit()
    fleet.scheduler()
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
    producer, worker = fleet.producer(), fleet.worker(slots=50, echo=True, beats=False)
    jobs = [producer.submit() for _ in range(700)]
    assert fleet.depth("og.jobs.intake") == 700
    fleet.scheduler()
    wait_for("the crowd to be read", lambda: fleet.depth("og.jobs.intake") < 700)
    worker.beats = True  # within the leader's first seconds, as every worker's
    wait_for("all answers", lambda: all(producer.of(job, "done") for job in jobs))
    assert {producer.of(job, "done")[0].state for job in jobs} == {"done"}


def test_what_came_before_the_fleet_was_heard_does_not_wait_for_nobody(fleet):
    producer = fleet.producer()
    early = producer.submit(tier="large")
    fleet.scheduler("one", "scheduler.no_capacity_after=5s")
    done = producer.wait(early, timeout=15)
    assert done.state == "no_capacity" and done.json["error"]["message"].startswith("no worker serves Large-7.5B, nor any other model")


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


def test_each_that_is_turned_away_has_its_record(fleet):
    """Also one that is turned away within the millisecond in which it was looked up."""
    fleet.scheduler()
    producer = fleet.producer()
    time.sleep(4.2)  # the grace of a new leader
    for _ in range(60):
        job = producer.submit(tier="small", explicit_id=1)
        assert producer.wait(job).state == "no_capacity"
        wait_for("the record", lambda: fleet.record(job).get("state") == "no_capacity", 5)


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
    wait_for("the record", lambda: fleet.record(job).get("state") == "placed", 5)
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
        method, properties, body = connection.channel().basic_get("og.dead", auto_ack=True)
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
    wait_for("five dead letters", lambda: admin.queue_declare("og.dead", passive=True).method.message_count == 5)
    admin.connection.close()
    letters = {p.message_id: (p, body) for p, body in dead_letters(fleet)}
    assert set(letters) == set(told + untold)
    properties, body = letters[told[0]]
    assert body == b'{"prompt":"hello"}' and properties.headers["og-error"] == "unknown_version"
    assert "9.0" in properties.headers["og-reason"] and properties.headers["og-submitter"] == producer.user
    assert not producer.of(untold[0], "done") and not stranger.messages


def test_busy_when_the_lanes_are_full(tmp_path):
    fleet = Fleet(tmp_path, "full", "[scheduler]\nlane_max_jobs = 3\nwaiting_max_bytes = 1MiB\n")
    try:
        # Tiers whose workers have just gone: all waits in lanes, and nothing ends as no_capacity, however long the test takes.
        fleet.scheduler("one", "scheduler.no_capacity_after=1h")
        producer = fleet.producer()
        workers = [fleet.worker("NodeA", "Small-1B"), fleet.worker("NodeB", "Large-7.5B")]
        for n in (1, 0):
            wait_for(f"{n} worker each", lambda n=n: all(t["workers"] == n for t in producer.ask("tiers")["tiers"]))
            for worker in workers:
                worker.close()
        jobs = [producer.submit(tier="small") for _ in range(60)]
        # A queue at its bound lets some more in when they come fast, and does not count what the leader holds: one more, then.
        wait_for("a busy", lambda: jobs.append(producer.submit(tier="small")) or any(producer.of(j, "done") for j in jobs))
        busy = next(m for j in jobs for m in producer.of(j, "done"))
        assert busy.state == "busy" and "try in" in busy.json["error"]["message"], busy
        large = [producer.submit(b"x" * 400_000, tier="large") for _ in range(4)]
        assert producer.wait(large[3]).state == "busy"
        assert all(not producer.of(j, "done") for j in large[:2])
        delays, others = [], []
        for _ in range(21):
            begun = time.monotonic()
            others.append(producer.wait(producer.ask("tiers", wait=False), "rpc").at - begun)
            begun = time.monotonic()
            job = producer.submit(b"x" * 400_000, tier="large")
            assert producer.wait(job).state == "busy"
            delays.append(producer.of(job, "done")[0].at - begun)
        # A question and its answer are as many messages: where those take long, it is the machine.
        within = max(0.05, 2 * sorted(others)[10])
        assert sorted(delays)[10] < within, f"s from submit to busy, its confirm included: {delays}, not within {within}"
    finally:
        fleet.close()


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
