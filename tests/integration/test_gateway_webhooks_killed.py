"""og-gateway's webhooks: nothing is lost while the store is away, nor whoever is killed."""

import json
import re
import signal
import sys
import threading
import time
import uuid
from http.client import HTTPException
from pathlib import Path
from random import Random

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import ask, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402
from webhook_rig import QUICK, V1, Tenant, numbers, receiver, rig, store  # noqa: E402, F401


# ── while the store is away ──


def test_a_store_that_takes_no_more_loses_nothing(rig, receiver):
    """It refuses what is written, and would let go of what is removed."""
    t = Tenant(rig, receiver)
    most = store(rig, "CONFIG", "GET", "maxmemory", who="store-admin").split()[1]

    def fill():
        store(rig, "CONFIG", "SET", "maxmemory", 1, who="store-admin")
        return 500

    receiver.tell(t.path, 500, 500, 500, fill)
    job = t.job(stub_text(tokens=1))
    try:
        wait_for("the last attempt", lambda: re.search(rf"webhook={t.hook} .*attempts=4 ", rig.one.text()), 20)
        t.get(f"{V1}/webhooks/{t.hook}")  # behind what was written then
    finally:
        store(rig, "CONFIG", "SET", "maxmemory", most, who="store-admin")
    (kept,) = t.deliveries("pending")
    assert kept["event"]["data"]["id"] == job and kept["attempts"] == 3, "it comes again"


def test_without_the_store_nothing_runs_untold(rig, receiver):
    """Its keys are remembered for a while, and so is who has webhooks."""
    t, other = Tenant(rig, receiver), rig.one.post(f"{V1}/keys", {"name": "o", "tenant": "has-none"}).json
    t.job(stub_text(tokens=1))
    t.told(1)
    without = {"authorization": f"Bearer {other['secret']}"}
    assert rig.one.post(f"{V1}/jobs", ask(stub_text(tokens=1)), headers=without).status == 202
    rig.store.end(signal.SIGKILL, 5)
    try:
        wait_for("it to be missed", lambda: rig.one.control()["gateway"]["store"] is False, 10)
        refused = t.post(f"{V1}/jobs", ask("x"))
        assert refused.status == 503 and refused.headers["retry-after"]
        assert rig.one.post(f"{V1}/jobs", ask(stub_text(tokens=1)), headers=without).status == 202
    finally:
        rig.start_store()
    wait_for("it to be back", lambda: rig.one.control()["gateway"]["store"], 20)
    job = t.job(stub_text(tokens=1))
    assert t.told(2)[1]["data"]["id"] == job


def test_the_store_is_killed_with_a_delivery_in_it(rig, receiver):
    t = Tenant(rig, receiver)
    receiver.tell(t.path, 500)
    job = t.job("slow " + stub_text(tokens=20, pace_ms=50))
    rig.store.end(signal.SIGKILL, 5)
    wait_for("the end", lambda: [r["finished"] for r in rig.stub.requests("slow ")] == [True], 20)
    rig.start_store()
    assert [e["data"]["id"] for e in t.told(2, timeout=60)] == [job] * 2
    assert t.deliveries("delivered", 1)[0]["attempts"] == 2


# ── whoever is killed ──


@pytest.fixture
def two(rig):
    """A second gateway beside the first, which is there for the end of what the second began."""
    second = rig.gateway(f"second-{next(numbers)}", *QUICK, key=rig.one.key)
    yield second
    second.stop()


def test_the_gateway_that_submitted_is_killed_while_its_jobs_run(rig, receiver, two):
    t = Tenant(rig, receiver)
    response, job = t.respond(stub_text(tokens=20, pace_ms=100), at=two), t.job(stub_text(tokens=20, pace_ms=100), at=two)
    two.end(signal.SIGKILL, 5)
    assert {(e["data"]["id"], e["type"]) for e in t.told(2, timeout=40)} == {(response, "response.completed"), (job, "job.done")}
    t.deliveries("delivered", 2)
    assert len(receiver.at(t.path)) == 2


def test_all_gateways_are_killed_between_the_end_and_the_delivery(rig, receiver, two):
    """Nobody is there when it ends, nor for a while after."""
    t = Tenant(rig, receiver)
    job = t.job("nobody there " + stub_text(tokens=10, pace_ms=100), at=two)
    rig.one.end(signal.SIGKILL, 5)
    two.end(signal.SIGKILL, 5)
    try:
        wait_for("the end", lambda: [r["finished"] for r in rig.stub.requests("nobody there")] == [True], 20)
        assert not receiver.at(t.path)
    finally:
        rig.one.start()
    assert t.told(1, timeout=40)[0]["data"]["id"] == job


def test_a_gateway_killed_while_it_delivers_is_taken_over(rig, receiver, two):
    """Its attempt is nobody's until its lease has run out; then another one sends it again."""
    t = Tenant(rig, receiver)
    rig.one.end(signal.SIGKILL, 5)
    try:
        killed = []

        def kill():
            killed.append(two.process.pid)
            two.end(signal.SIGKILL, 5)
            return 200  # nobody hears it

        receiver.tell(t.path, kill)
        job = t.job(stub_text(tokens=1), at=two)
        wait_for("the first to be killed", lambda: killed, 20)
    finally:
        rig.one.start()
    events = t.told(2, timeout=60)
    assert events[0] == events[1] and events[0]["data"]["id"] == job
    assert t.deliveries("delivered", 1)[0]["attempts"] == 1 and len(receiver.at(t.path)) == 2


def test_none_is_lost_whatever_is_killed_when(rig, receiver, two):
    """Gateways are killed and come back again and again while jobs are submitted, end, and are told of."""
    t, random = Tenant(rig, receiver), Random(7)
    acknowledged, over = [], threading.Event()

    def submit():
        while not over.is_set():
            try:
                made = t.post(f"{V1}/jobs", ask(stub_text(tokens=random.randrange(1, 8), pace_ms=20)), random.choice((rig.one, two)))
                if made.status == 202:
                    acknowledged.append(made.json["id"])
            except (OSError, HTTPException):  # killed under its hands: nobody was told of a job
                time.sleep(0.02)

    submitter = threading.Thread(target=submit)
    submitter.start()
    try:
        for _ in range(8):
            victim, n = random.choice((rig.one, two)), len(acknowledged)
            wait_for("some more to be taken", lambda: len(acknowledged) > n + random.randrange(20), 30)  # noqa: B023
            victim.end(signal.SIGKILL, 5)
            victim.start()
    finally:
        over.set()
        submitter.join()
    assert len(acknowledged) > 50

    def missing():
        return set(acknowledged) - {d.event["data"]["id"] for d in receiver.at(t.path)}

    wait_for("all to be told", lambda: not missing(), 120)
    told = t.told(len(receiver.at(t.path)))
    assert {e["type"] for e in told if e["data"]["id"] in acknowledged} == {"job.done"}


def test_what_never_came_to_be_is_told_as_failed(rig, receiver):
    """A gateway that died when it had written the watch, and not yet sent the job: it is looked for in vain, for a while."""
    t = Tenant(rig, receiver)
    known = t.job(stub_text(tokens=1))  # the store is as after it, but for what is planted
    assert t.told(1)[0]["data"]["id"] == known

    def plant(**more):
        id, k = str(uuid.uuid4()), f"og:{rig.fleet.cluster.name}:watch"
        text = json.dumps({"id": id, "tenant": t.name, "of": "job", "made_ms": 1, **more})
        store(rig, "SET", f"{k}:{id}", text)
        store(rig, "HSET", f"{k}_size", id, f"{len(text)} {t.name}")
        store(rig, "ZADD", f"{k}s", "+inf", id)
        store(rig, "ZADD", f"{k}_due", 0, id)
        return id, f"{k}:{id}"

    _, young = plant()
    lost, _ = plant(unknown=4, unknown_since_ms=1)
    event = t.told(2)[1]
    assert (event["data"]["id"], event["type"]) == (lost, "job.failed")
    wait_for("the other to be looked for once", lambda: json.loads(store(rig, "GET", young)).get("unknown") == 1, 20)
    assert len(receiver.at(t.path)) == 2, "once is not enough"


def test_several_gateways_send_each_once(rig, receiver, two):
    t = Tenant(rig, receiver)
    jobs = [t.job(stub_text(tokens=1), at=at) for _ in range(20) for at in (rig.one, two)]
    assert sorted(e["data"]["id"] for e in t.told(40, timeout=60)) == sorted(jobs)
    t.deliveries("delivered", 20)  # a page
    assert len(receiver.at(t.path)) == 40
