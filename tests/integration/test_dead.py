"""Dead letters: looked at, requeued and dropped by question, with a real broker and Redis."""

import itertools
import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from services import wait_for

from fleet import Fleet

names = itertools.count()


@pytest.fixture
def fleet(tmp_path):
    f = Fleet(tmp_path, f"dead-{next(names)}", "[scheduler]\nmax_attempts = 1\n")
    yield f
    f.close()


def die(fleet, producer, worker, error="engine_cut", **headers):
    job = producer.submit(tier="small", **headers)
    worker.hand_back(job, error)
    assert producer.wait(job).state == "dead"
    return job


def kept(fleet, n):
    wait_for(f"{n} dead letters", lambda: fleet.depth("og.dead") == n, 10)


def test_what_died_can_be_looked_at(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    assert producer.ask("dead_list") == {"dead": [], "total": 0}
    jobs = [die(fleet, producer, worker, error) for error in ("engine_cut", "engine_stalled", "engine_cut")]
    kept(fleet, 3)
    answer = producer.ask("dead_list")
    assert ([d["id"] for d in answer["dead"]], answer["total"]) == (jobs, 3)
    first = answer["dead"][0]
    assert (first["error"], first["tier"], first["class"], first["tenant"]) == ("engine_cut", "Small-1B", "normal", "local")
    assert first["tried"] == [{"id": worker.node, "name": "NodeA"}] and first["attempts"] == 1
    assert first["reason"] == "1 of 1 attempts failed: in words" and first["died_ms"] >= first["accepted_ms"] // 1000 * 1000
    assert [d["id"] for d in producer.ask("dead_list", error="engine_stalled")["dead"]] == [jobs[1]]
    assert producer.ask("dead_list", tier="large")["total"] == 0
    assert producer.ask("dead_list", older_ms=3600_000)["total"] == 0
    limited = producer.ask("dead_list", limit=1)
    assert ([d["id"] for d in limited["dead"]], limited["total"]) == (jobs[:1], 3)
    assert producer.ask("dead_show", id=jobs[1])["dead"]["body"] == '{"prompt":"hello"}'
    missing = "00000000-0000-4000-8000-000000000000"
    assert producer.ask("dead_show", id=missing)["error"]["type"] == "not_found"
    assert producer.ask("dead_drop")["error"]["type"] == "invalid_request"
    kept(fleet, 3)


def test_a_requeued_letter_is_a_job_again_with_attempts_of_its_own(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    job = die(fleet, producer, worker)
    other = die(fleet, producer, worker)
    kept(fleet, 2)
    wait_for("the record", lambda: fleet.record(job).get("state") == "dead", 5)
    assert producer.ask("dead_requeue", id=job) == {"requeued": 1, "ids": [job]}
    h = worker.headers(job)
    assert h["og-attempt"] == 21 and not {"og-tried", "og-deaths", "og-error", "og-reason"} & set(h)
    wait_for("the record", lambda: fleet.record(job).get("state") == "placed", 5)
    assert "error" not in fleet.record(job) and "ended_ms" not in fleet.record(job)
    assert producer.ask("dead_requeue", id=job)["error"]["type"] == "not_found"
    worker.finish(job)
    wait_for("its end", lambda: fleet.record(job).get("state") == "done", 5)
    assert producer.ask("result", id=job)["state"] == "done"
    assert "requeued" in [e["what"] for e in producer.ask("job", id=job)["job"]["history"]]
    kept(fleet, 1)
    assert [d["id"] for d in producer.ask("dead_list")["dead"]] == [other]


def test_what_the_intake_refused_takes_nobodys_result_away(fleet):
    fleet.scheduler()
    worker, victim, forger = fleet.worker(), fleet.producer(), fleet.producer("operator")
    job = victim.submit(tier="small")
    worker.finish(job)
    wait_for("its end", lambda: fleet.record(job).get("state") == "done", 5)
    forger.submit(job=job, reply=victim.reply, tier="small", tenant="another")
    kept(fleet, 1)
    assert [d["tenant"] for d in forger.ask("dead_list")["dead"]] == ["default"]
    assert forger.ask("dead_requeue", id=job)["error"]["type"] == "invalid_request"
    assert victim.ask("result", id=job)["state"] == "done" and fleet.record(job)["state"] == "done"
    kept(fleet, 1)


def test_all_that_a_filter_leaves_are_requeued_and_dropped(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(slots=1), fleet.producer()
    cut = [die(fleet, producer, worker) for _ in range(5)]
    stalled = [die(fleet, producer, worker, "engine_stalled") for _ in range(2)]
    kept(fleet, 7)
    answer = producer.ask("dead_requeue", error="engine_cut", all=True)
    assert (answer["requeued"], answer["ids"]) == (5, cut)
    for job in cut:
        worker.finish(job)
    wait_for("their ends", lambda: all(fleet.record(j).get("state") == "done" for j in cut), 10)
    answer = producer.ask("dead_drop", all=True)
    assert (answer["dropped"], answer["ids"]) == (2, stalled)
    kept(fleet, 0)
    assert producer.ask("dead_list")["total"] == 0


def test_everybody_sees_the_own_tenants_letters_alone(fleet):
    fleet.scheduler()
    worker, producer, operator = fleet.worker(), fleet.producer(), fleet.producer("operator")
    code = fleet.invite("elsewhere")
    job = die(fleet, producer, worker)
    kept(fleet, 1)
    assert operator.ask("dead_list")["total"] == 1
    assert operator.ask("dead_list", tenant="another")["total"] == 0
    assert operator.ask("dead_show", id=job)["dead"]["tenant"] == "local"
    assert code


def test_a_letter_whose_id_lives_again_is_a_conflict(fleet):
    fleet.scheduler("one", "scheduler.lookahead_percent=0")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    job = die(fleet, producer, worker)
    kept(fleet, 1)
    admin = fleet.cluster.connect_as("admin")
    channel = admin.channel()
    method, properties, body = channel.basic_get("og.dead")
    assert producer.ask("dead_list")["total"] == 0
    channel.basic_nack(method.delivery_tag, requeue=True)
    admin.close()
    assert producer.ask("dead_requeue", id=job)["requeued"] == 1
    worker.headers(job)
    scheduler = fleet.cluster.connect_as("scheduler")  # the same letter once more
    channel = scheduler.channel()
    channel.confirm_delivery()
    properties.user_id = "scheduler"
    channel.basic_publish("og.dead", "kept", body, properties)
    scheduler.close()
    assert producer.ask("dead_requeue", id=job)["error"]["type"] == "conflict"
    worker.finish(job)
    kept(fleet, 1)


def test_what_no_scheduler_wrote_is_dropped_and_counted(fleet):
    one = fleet.scheduler()
    producer = fleet.producer()
    admin = fleet.cluster.connect_as("admin")
    channel = admin.channel()
    channel.confirm_delivery()
    channel.basic_publish("og.dead", "kept", b"forged")
    admin.close()
    assert producer.ask("dead_list") == {"dead": [], "total": 0}
    kept(fleet, 0)
    assert one.status()["process"]["forged"] == 1


def test_a_full_queue_of_dead_letters_loses_none(tmp_path):
    fleet = Fleet(tmp_path, "full-dead", "[scheduler]\nmax_attempts = 1\ndead_max_jobs = 1\n")
    try:
        one = fleet.scheduler()
        worker, producer = fleet.worker(), fleet.producer()
        jobs = [die(fleet, producer, worker) for _ in range(12)]
        wait_for("some to wait", lambda: one.status()["scheduler"]["dead_waiting"] > 0, 10)
        assert producer.ask("queues")["dead_waiting"] > 0
        dropped = set()

        def drop():
            answer = producer.ask("dead_drop", all=True)
            dropped.update(answer.get("ids", []))
            return dropped == set(jobs)

        wait_for("all to have been there", drop, 30)
        wait_for("none to wait", lambda: one.status()["scheduler"]["dead_waiting"] == 0, 5)
        assert fleet.depth("og.dead.intake") == 0
    finally:
        fleet.close()


def test_a_clients_own_expiration_in_the_intake_ends_expired(fleet):
    producer = fleet.producer()
    job = "11111111-2222-4333-8444-555555555555"
    properties = {"type": "inference_request", "message_id": job, "correlation_id": job, "delivery_mode": 2}
    producer.do(
        lambda: producer.publish(
            "og.jobs",
            "job",
            json.dumps({"prompt": "x"}).encode(),
            reply_to=producer.reply,
            expiration="1",
            headers={"og-tier": "small"},
            **properties,
        )
    )
    wait_for("it to expire", lambda: fleet.depth("og.dead.intake") == 1, 10)
    fleet.scheduler()
    done = producer.wait(job)
    assert (done.state, done.headers["og-error"]) == ("expired", "expired")
