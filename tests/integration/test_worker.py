"""og-worker with a real broker and a stub engine, and once with a real model."""

import sys
import time
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import LEASE, TIER, TIER_QUEUE, Worker, run_worker  # noqa: E402
from services import wait_for  # noqa: E402
from worker_rig import cluster, give_own_queue, grid, in_ms, own_key, stub, stub_text, workers  # noqa: E402, F401

QUICK = ("--set", "engine.first_byte_timeout=1s", "--set", "engine.idle_timeout=1s")


def test_joins_and_tells_so(grid, workers):
    w = workers()
    w.wait_log("Listening for peers")
    text = w.text()
    assert f'msg="Joined cluster {grid.cluster.name}"' in text
    assert text.index("Joined cluster") < text.index('msg="Listening for peers"')
    status = w.status()
    assert status["worker"] == f"NodeA/{TIER}/1"
    assert (status["tier"], status["model"], status["slots"]) == (TIER, "smollm2-135m", 2)
    assert status["broker"]["connected"]
    assert status["ready"]
    grid.until("presence", lambda: [p for p in grid.presence if p.body["serve"]])
    said = [p for p in grid.presence if p.body["serve"]][-1].body
    assert (said["tier"], said["slots"], said["node_name"], said["engine"]) == (TIER, 2, "NodeA", "openai")


def test_an_answer_streams_and_is_stored(grid, workers, stub):
    workers()
    job = grid.ask("hello " + stub_text(tokens=5, pace_ms=100), progress=1)
    done = grid.done(job)
    chunks = grid.of(job, "chunk")
    assert [c.headers.get("og-seq", 0) for c in chunks] == list(range(7))
    assert grid.of(job)[0].what == "started"
    assert chunks[1].at < done.at - 0.15, "tokens come as they are made"
    body = done.body
    assert done.text == "tok0 tok1 tok2 tok3 tok4 "
    assert body["response"]["object"] == "chat.completion"
    assert body["response"]["choices"][0]["message"] == {"role": "assistant", "content": done.text}
    assert body["response"]["choices"][0]["finish_reason"] == "stop"
    assert body["response"]["usage"]["completion_tokens"] == 5
    assert body["response"]["model"] == TIER
    assert body["timings"]["run_ms"] >= 400
    assert 8 < body["timings"]["tokens_per_s"] < 11
    assert body["node"]["worker"] == f"NodeA/{TIER}/1"
    assert done.persistent
    assert not chunks[0].persistent
    headers = done.headers
    assert (headers["og-state"], headers["og-lease"], headers["og-epoch"]) == ("done", LEASE, 42)
    assert (headers["og-attempt"], headers["og-seq"], headers["og-completion-tokens"]) == (1, 7, 5)
    assert done.user == grid.cluster.credentials("worker")[0]
    grid.until("the done in og.state", lambda: [s for s in grid.states if s.id == job])
    wait_for("the ack", lambda: grid.count(TIER_QUEUE) == 0)
    asked = stub.requests()[-1]["body"]
    assert asked["model"] == "smollm2-135m"
    assert asked["stream"] is True
    assert asked["stream_options"] == {"include_usage": True}


BAD = [
    (b"", "invalid_request", "no body"),
    (b"{oops", "invalid_request", "not JSON"),
    (b'{"prompt":"\xff"}', "invalid_request", "UTF-8"),
    (b'{"messages":[{"role":"user","content":""}]}', "invalid_request", "empty"),
    (b"{}", "invalid_request", "neither"),
    (b'{"prompt":"' + b"x" * (8 << 20) + b'"}', "too_large", "8388608"),
]


@pytest.mark.parametrize(("body", "error", "words"), BAD, ids=[e + "-" + w.split()[-1] for _, e, w in BAD])
def test_bad_requests_are_told_and_not_run(grid, workers, stub, body, error, words):
    workers()
    done = grid.done(grid.place(body))
    assert (done.headers["og-state"], done.headers["og-error"]) == ("failed", error)
    assert words in done.body["error"]["message"]
    assert not stub.requests()


def test_an_unknown_version_is_dead_lettered_and_told(grid, workers, stub):
    workers()
    dead = grid.count("og.dead.intake")
    done = grid.done(grid.ask("hi", version="9.1"))
    assert done.headers["og-error"] == "unknown_version"
    assert done.headers["og-lease"] == LEASE
    wait_for("the dead letter", lambda: grid.count("og.dead.intake") == dead + 1)
    assert not stub.requests()


def test_deadlines(grid, workers, stub):
    workers("--slots", 1)
    late = grid.done(grid.ask("late", deadline=in_ms(-1)))
    assert (late.headers["og-state"], late.headers["og-error"]) == ("expired", "expired")
    assert not stub.requests("late"), "no engine time is spent on it"
    due = in_ms(1000)
    slow = grid.ask("slow " + stub_text(fault="stall_headers"), deadline=due)
    done = grid.done(slow)
    off = time.time() * 1000 - due
    assert done.headers["og-state"] == "expired"
    assert -20 <= off <= 100, off
    assert not grid.retries, "an engine that was cut off for that is not at fault"
    wait_for("the abort", lambda: stub.requests("slow")[0]["aborted"])


def test_the_deadline_of_one_that_waits_in_line(grid, workers, stub):
    """It comes from the worker's own queue while all slots are taken: answered when it is due, not when its turn has come."""
    w = workers("--slots", 1)
    give_own_queue(grid, w)
    busy = grid.ask("busy " + stub_text(tokens=100, pace_ms=30))
    wait_for("the request", lambda: stub.requests("busy"))
    due = in_ms(700)
    waits = grid.ask("waits", key=own_key(w), deadline=due)
    assert grid.done(waits).headers["og-state"] == "expired"
    off = time.time() * 1000 - due
    assert -20 <= off <= 100, off
    assert not grid.of(busy, "done")
    assert grid.done(busy).headers["og-state"] == "done"
    assert not stub.requests("waits")


@pytest.mark.parametrize("directives", [{"fault": "stall_headers"}, {"tokens": 1000, "pace_ms": 20}], ids=["prefill", "stream"])
def test_a_cancel_reaches_the_engine(grid, workers, stub, directives):
    workers()
    job = grid.ask("stop me " + stub_text(**directives))
    wait_for("the request", lambda: stub.requests("stop me"))
    grid.pump(0.2)
    asked = time.monotonic()
    grid.cancel(job)
    done = grid.done(job)
    assert (done.headers["og-state"], done.headers["og-error"]) == ("cancelled", "cancelled")
    assert done.at - asked < 0.2
    wait_for("the abort", lambda: stub.requests("stop me")[0]["aborted"])
    assert stub.requests("stop me")[0]["aborted_s"] - asked < 0.2
    wait_for("the ack", lambda: grid.count(TIER_QUEUE) == 0)


def test_cancelled_before_it_came(grid, workers, stub):
    w = workers()
    job = str(uuid.uuid4())
    grid.cancel(job)
    wait_for("the cancel to be there first", lambda: w.status()["jobs"]["remembered"] == 1)
    assert grid.done(grid.ask("never", job)).headers["og-state"] == "cancelled"
    assert not stub.requests("never")


def test_a_peer_that_does_not_serve(grid, workers):
    w = workers(serve=False, wait="peer", engine="")
    w.wait_log("Listening for peers")
    grid.until("presence", lambda: grid.presence)
    said = grid.presence[-1].body
    assert (said["serve"], said["tier"], said["slots"], said["worker"]) == (False, "", 0, "NodeA/peer/1")
    grid.tell_members((w.status()["node"]["id"], "NodeA"), (str(uuid.uuid4()), "NodeB"))
    w.wait_log("Peers: [NodeB]")


def test_peers_are_logged_sorted_and_without_us(grid, workers):
    w = workers()
    me = w.status()["node"]["id"]
    b, c = str(uuid.uuid4()), str(uuid.uuid4())
    grid.tell_members((c, "NodeC"), (me, "NodeA"), (b, "NodeB"))
    w.wait_log('msg="Peers: [NodeB, NodeC]"')
    assert w.status()["peers"] == ["NodeB", "NodeC"]
    grid.tell_members((me, "NodeA"), (b, "NodeA"))
    w.wait_log("Another node has this node's name")
    grid.tell_members((me, "NodeA"))
    w.wait_log('msg="Peers: []"')


def test_presence_every_two_seconds_and_on_change(grid, workers):
    workers()
    grid.until("presence", lambda: [p for p in grid.presence if p.body["serve"]])
    grid.pump(1)
    grid.presence.clear()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        grid.pump(0.1)
    assert 2 <= len(grid.presence) <= 4
    job = grid.ask(stub_text(tokens=60, pace_ms=50))
    asked = time.monotonic()
    grid.until("the job in presence", lambda: [p for p in grid.presence if p.body["running"]])
    told = [p for p in grid.presence if p.body["running"]][0]
    assert told.at - asked < 1
    assert told.body["running"][0]["id"] == job
    grid.done(job)


def test_started_twice(cluster, workers, stub):
    w = workers()
    text, code = run_worker(Worker(cluster.root, engine=stub.url))
    assert code == 1
    assert "already runs" in text
    assert w.alive()
    second = workers("--instance", 2)
    assert second.status()["worker"] == f"NodeA/{TIER}/2"


BAD_STARTS = [
    (("--tier", "Smoll"), {}, "SmolLM2-135M"),
    (("--set", "worker.slots=many"), {}, "worker.slots"),
    (("--set", "engine.url="), {"engine": ""}, "OG_ENGINE_URL"),
    (("--set", "broker.secrets=/nowhere"), {}, "og-broker-config"),
    (("--config", "/nowhere.ini"), {}, "/nowhere.ini"),
]


@pytest.mark.parametrize(("args", "more", "words"), BAD_STARTS, ids=[a[0][1].split("=")[0] for a in BAD_STARTS])
def test_what_it_cannot_start_with_is_said(cluster, args, more, words):
    text, code = run_worker(Worker(cluster.root, *args, **{"engine": "http://127.0.0.1:9", **more}))
    assert code == 1
    assert words in text.splitlines()[-1]


def broken(cluster, root, **changes):
    """A root like the cluster's, with other settings of the broker."""
    root.mkdir()
    for name in ("catalogue.ini", "config.ini"):
        (root / name).write_text((cluster.root / name).read_text())
    (root / "secrets").mkdir()
    user, password = cluster.credentials("worker")
    file = root / "secrets/worker.credentials"
    file.write_text(f"{user} {changes.get('password', password)}\n")
    file.chmod(0o600)
    return root


TROUBLES = [
    ({"password": "wrong"}, (), "password"),
    ({}, ("--set", "cluster.id=nowhere"), "nowhere"),
    ({}, ("--set", "broker.endpoints=127.0.0.1:9"), "127.0.0.1:9"),
]


@pytest.mark.parametrize(("changes", "args", "words"), TROUBLES, ids=["password", "vhost", "down"])
def test_a_broker_that_does_not_let_it_in(cluster, tmp_path, changes, args, words):
    w = Worker(broken(cluster, tmp_path / "r", **changes), *args, serve=False).start()
    w.wait_log("No connection to the broker")
    line = next(ln for ln in w.text().splitlines() if "No connection" in ln)
    assert words in line
    assert not w.status()["broker"]["connected"]
    w.leave()


def test_many_at_once_in_their_slots(grid, workers, stub):
    stub.set(slots=8)
    workers()
    jobs = [grid.ask("crowd " + stub_text(tokens=10, pace_ms=10)) for _ in range(60)]
    for job in jobs:
        assert grid.done(job).text.endswith("tok9 ")
        assert [c.headers.get("og-seq", 0) for c in grid.of(job, "chunk")] == list(range(12))
    spans = [(r["received_s"], r["received_s"] + 0.09) for r in stub.requests("crowd")]
    assert max(sum(a <= s < b for a, b in spans) for s, _ in spans) <= 8
