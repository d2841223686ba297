"""og-worker with a real broker and a stub engine, and once with a real model."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import LEASE, TIER, TIER_QUEUE, Worker, run_worker  # noqa: E402
from proxy import Proxy  # noqa: E402
from services import api, free_port, wait_for  # noqa: E402
from stub_engine import StubEngine  # noqa: E402
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


@pytest.mark.parametrize("kind", ["openai", "ollama"])
@pytest.mark.parametrize("chat", [True, False])
def test_engines(grid, workers, stub, kind, chat):
    workers(kind=kind)
    text = "once " + stub_text(tokens=3)
    body = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
    done = grid.done(grid.place({**body, "temperature": 0.25, "max_tokens": 7}))
    assert done.text == "tok0 tok1 tok2 "
    assert done.body["response"]["object"] == ("chat.completion" if chat else "text_completion")
    assert done.body["response"]["usage"]["completion_tokens"] == 3
    asked = stub.requests()[-1]
    path = {"openai": ("/v1/completions", "/v1/chat/completions"), "ollama": ("/api/generate", "/api/chat")}[kind]
    assert asked["path"] == path[chat]
    asked = asked["body"]["options"] if kind == "ollama" else asked["body"]
    assert asked["temperature"] == 0.25
    assert asked["num_predict" if kind == "ollama" else "max_tokens"] == 7


def test_echo(grid, workers):
    workers("--slots", 3, kind="echo", engine="")
    done = grid.done(grid.ask("héllo wörld"))
    assert done.text == "héllo wörld"


def test_a_key_file(grid, workers, stub, cluster):
    key = cluster.root / "engine.key"
    key.write_text("s3cret\n")
    workers("--set", f"engine.key_file={key}")
    grid.done(grid.ask("hi"))
    assert stub.requests()[-1]["authorization"] == "Bearer s3cret"


FAULTS = [
    ({"status": 500}, "engine_unavailable", "500"),
    ({"status": 429}, "engine_unavailable", "429"),
    ({"fault": "stall_headers"}, "engine_stalled", ""),
    ({"fault": "stall", "after": 2}, "engine_stalled", ""),
    ({"fault": "close"}, "engine_unavailable", ""),
    ({"fault": "cut", "after": 2}, "engine_cut", ""),
    ({"fault": "end", "after": 2}, "engine_cut", "ended before"),
    ({"fault": "garbage", "after": 1}, "engine_garbage", "no JSON"),
    ({"fault": "binary", "after": 0}, "engine_garbage", ""),
    ({"fault": "long_line", "after": 1}, "engine_garbage", "1048576"),
    ({"fault": "error", "after": 1, "message": "oops"}, "engine_unavailable", "oops"),
    ({"content_type": "text/html"}, "engine_garbage", "text/html"),
]
FOR_GOOD = [
    ({"status": 400, "message": "too_long"}, "engine_error", "400: too_long"),
    ({"tokens": 160, "bytes": 65536}, "too_large", "too large"),
]


@pytest.mark.parametrize(("directives", "error", "words"), FAULTS, ids=lambda v: v if isinstance(v, str) else None)
def test_what_an_engine_fails_is_handed_back_as_it_came(grid, workers, directives, error, words):
    w = workers(*QUICK)
    prompt = "please ünd " + stub_text(**directives)
    job = grid.ask(prompt, tenant="t", session="s", **{"un-known": "x", "tried": "a,b"})
    back = grid.handed_back(job)
    headers = back.headers
    assert (headers["og-error"], headers["og-attempt"], headers["og-lease"], headers["og-epoch"]) == (error, 1, LEASE, 42)
    assert words in headers["og-reason"]
    assert (headers["og-tenant"], headers["og-session"], headers["og-tried"], headers["og-un-known"]) == ("t", "s", "a,b", "x")
    assert (headers["og-node"], headers["og-node-name"], headers["og-worker"]) == (
        w.status()["node"]["id"], "NodeA", f"NodeA/{TIER}/1",
    )  # fmt: skip
    assert back.raw == json.dumps({"messages": [{"role": "user", "content": prompt}]}).encode()
    assert back.persistent
    assert back.reply_to == grid.reply
    assert back.user == grid.cluster.credentials("worker")[0]
    assert not grid.of(job, "done"), "the scheduler says what becomes of it"
    wait_for("the ack", lambda: grid.count(TIER_QUEUE) == 0)
    assert "please" not in w.text(), "the user's text is never logged"
    assert grid.done(grid.ask("again")).headers["og-state"] == "done", "one bad answer does not stop the worker"
    assert w.status()["jobs"]["handed_back"] == 1


@pytest.mark.parametrize(("directives", "error", "words"), FOR_GOOD, ids=lambda v: v if isinstance(v, str) else None)
def test_what_no_other_try_would_help_fails(grid, workers, directives, error, words):
    workers(*QUICK)
    done = grid.done(grid.ask("please " + stub_text(**directives)))
    assert (done.headers["og-state"], done.headers["og-error"]) == ("failed", error)
    assert done.body["error"]["type"] == error
    assert words in done.body["error"]["message"]
    assert done.body["node"]["name"] == "NodeA"
    assert not grid.retries


def test_two_attempts_are_never_mixed(grid, workers, stub):
    """Of the second attempt, elsewhere, everything says that it is the second."""
    workers(*QUICK)
    job = grid.ask("mixed " + stub_text(fault="cut", after=3))
    grid.handed_back(job)
    stub.set(token="new")
    grid.ask("mixed", job, attempt=2)
    assert grid.done(job).headers["og-attempt"] == 2
    first = [c for c in grid.of(job, "chunk") if c.headers["og-attempt"] == 1]
    second = [c for c in grid.of(job, "chunk") if c.headers["og-attempt"] == 2]
    assert b"".join(c.raw for c in first).count(b'"tok') == 3
    assert [c.headers.get("og-seq", 0) for c in second] == list(range(10))
    assert not any(b'"tok' in c.raw for c in second)
    assert grid.done(job).text == "".join(f"new{i} " for i in range(8))


def test_a_drip_is_no_stall(grid, workers):
    workers(*QUICK)
    assert grid.done(grid.ask(stub_text(tokens=4, pace_ms=500))).headers["og-state"] == "done"


def test_an_engine_that_keeps_its_connection_open_after_the_end(grid, workers):
    workers()
    start = time.monotonic()
    assert grid.done(grid.ask(stub_text(fault="linger"))).headers["og-state"] == "done"
    assert time.monotonic() - start < 3


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


def test_an_engine_that_is_not_up_yet(grid, workers, tmp_path):
    port = free_port()
    w = workers(engine=f"http://127.0.0.1:{port}", wait="not serving")
    w.wait_log("Joined cluster")
    grid.until("presence", lambda: grid.presence)
    assert not grid.presence[-1].body["serve"]
    wait_for("the reason", lambda: "does not serve" in w.status()["why"])
    job = grid.ask("patience")
    late = StubEngine(tmp_path, port).start()
    try:
        w.wait_state("serving")
        assert grid.done(job).headers["og-state"] == "done"
        late.stop()
        w.wait_state("not serving", 25)
        late.start()
        w.wait_state("serving", 25)
        assert grid.done(grid.ask("back")).headers["og-state"] == "done"
    finally:
        w.leave()
        late.stop()


def test_an_engine_that_dies_under_a_run(grid, workers, tmp_path):
    own = StubEngine(tmp_path).start()
    w = workers(engine=own.url)
    job = grid.ask(stub_text(tokens=1000, pace_ms=20))
    grid.until("a chunk", lambda: grid.of(job, "chunk"))
    own.kill_now()
    assert grid.handed_back(job).headers["og-error"] == "engine_cut"
    w.wait_state("not serving", 5)
    waits = grid.ask("waits")
    own.start()
    assert grid.done(waits, 25).headers["og-state"] == "done"
    own.stop()


def test_an_engine_without_the_model(grid, workers, stub):
    stub.set(models="mistral,other")
    w = workers(wait="not serving")
    wait_for("the reason", lambda: "mistral, other" in w.status()["why"])
    assert 'msg="Not serving"' in w.text()
    named = workers("--tier", TIER, name="NodeB", wait="not serving")
    wait_for("the reason", lambda: "not smollm2-135m" in named.status()["why"])
    stub.set(models="SmolLM2-135M")
    w.wait_state("serving", 25)
    assert w.status()["model"] == "SmolLM2-135M"
    stub.reset()


def test_the_tier_that_the_machine_is_too_small_for(grid, workers, stub):
    stub.set(models="huge,smollm2-135m")
    assert workers().status()["tier"] == TIER
    forced = workers("--tier", "huge", name="NodeB")
    assert forced.status()["tier"] == "Huge"
    assert "not eligible" in forced.text()


def test_a_loading_engine_and_no_slots_said(grid, workers, stub):
    stub.set(health=503, slots=0)
    w = workers(wait="not serving")
    wait_for("the reason", lambda: "Loading model" in w.status()["why"])
    stub.set(health=200)
    w.wait_state("serving", 25)
    assert w.status()["slots"] == 1


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
    (("--tier", "Smol"), {}, "SmolLM2-135M"),
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


@pytest.mark.parametrize("which", [0, 1])
def test_a_connection_is_cut_under_a_run(grid, workers, stub, which):
    """Of the two, once the one that brings work and once the one that takes results."""
    host, port = grid.cluster.amqp.rsplit(":", 1)
    with Proxy((host, int(port))) as proxy:
        cut_under_a_run(grid, workers("--set", f"broker.endpoints=127.0.0.1:{proxy.port}"), stub, proxy, which)


def cut_under_a_run(grid, w, stub, proxy, which):
    job = grid.ask("survive " + stub_text(tokens=200, pace_ms=25))
    grid.until("a chunk", lambda: grid.of(job, "chunk"))
    assert len(proxy.pairs) == 2
    for s in proxy.pairs.pop(which):
        with contextlib.suppress(OSError):  # the proxy has passed the first one's end on to the other
            s.shutdown(socket.SHUT_RDWR)
    done = grid.done(job, 30)
    assert done.headers["og-state"] == "done"
    assert done.text.split() == [f"tok{i}" for i in range(200)]
    assert len(stub.requests("survive")) == 1, "it is not run twice"
    w.wait_log("Back in the cluster")
    wait_for("the ack", lambda: grid.count(TIER_QUEUE) == 0)
    grid.pump(0.5)
    assert len(grid.of(job, "done")) == 1
    seqs = [c.headers.get("og-seq", 0) for c in grid.of(job, "chunk")]
    assert sorted(set(seqs)) == list(range(202))
    assert grid.done(grid.ask("next")).headers["og-state"] == "done"
    w.leave()


def test_the_tiers_queue_is_deleted_and_made_again(grid, workers):
    w = workers()
    w.wait_log("Joined cluster")
    api("DELETE", f"/api/queues/{grid.cluster.name}/{TIER_QUEUE}")
    w.wait_log("A queue was deleted under this worker")
    w.wait_log("No connection to the broker")
    grid.cluster.run("apply")
    wait_for("the worker to come back", lambda: w.status()["broker"]["connected"], 30)
    assert grid.done(grid.ask("hello again")).headers["og-state"] == "done"


def test_a_killed_workers_job_is_handed_back_by_another_and_not_run(grid, workers, stub):
    first = workers()
    job = grid.ask("twice " + stub_text(tokens=100, pace_ms=50))
    grid.until("a chunk", lambda: grid.of(job, "chunk"))
    first.kill()
    second = workers(name="NodeB")
    back = grid.handed_back(job)
    assert (back.headers["og-error"], back.headers["og-run"], back.headers["og-node-name"]) == ("worker_lost", 1, "NodeB")
    assert len(stub.requests("twice")) == 1
    assert second.status()["jobs"]["redelivered"] == 1
    wait_for("the engine to see the first one go", lambda: stub.requests("twice")[0]["aborted"])
    wait_for("the ack", lambda: grid.count(TIER_QUEUE) == 0)


def test_a_worker_killed_between_its_result_and_its_ack(grid, workers, stub):
    """Fault 2: the result is confirmed and the delivery not acked. It comes back as lost, with the first result told."""
    host, port = grid.cluster.amqp.rsplit(":", 1)
    with LateConfirms((host, int(port))) as proxy:
        first = workers("--set", f"broker.endpoints=127.0.0.1:{proxy.port}")
        job = grid.ask("once " + stub_text(tokens=1))
        assert grid.done(job).headers["og-state"] == "done"
        first.kill()
        proxy.release.set()
    workers(name="NodeB")
    back = grid.handed_back(job)
    assert (back.headers["og-error"], back.headers["og-attempt"]) == ("worker_lost", 1)
    assert len(stub.requests("once")) == 1
    assert len(grid.of(job, "done")) == 1


def test_a_worker_stopped_past_its_lease_changes_nothing_when_it_goes_on(grid, workers, stub):
    """Fault 16: all that it says is of the first attempt; the second one's are another's, and it runs nothing twice."""
    first = workers("--set", "broker.heartbeat=1s")
    job = grid.ask("slow " + stub_text(tokens=60, pace_ms=50))
    grid.until("a chunk", lambda: grid.of(job, "chunk"))
    first.process.send_signal(signal.SIGSTOP)
    try:
        workers(name="NodeB")
        assert grid.handed_back(job, 30).headers["og-error"] == "worker_lost"
        grid.ask("fast", job, attempt=2, lease="cd" * 32)
        done = grid.done(job)
        assert (done.headers["og-attempt"], done.headers["og-node-name"], done.headers["og-lease"]) == (2, "NodeB", "cd" * 32)
    finally:
        first.process.send_signal(signal.SIGCONT)
    first.wait_log("Back in the cluster", 30)
    assert grid.done(grid.ask("next")).headers["og-state"] == "done"
    late = [m for m in grid.of(job) if m.headers.get("og-node-name", "NodeA") == "NodeA" and m.what == "done"]
    assert all((m.headers["og-attempt"], m.headers["og-lease"]) == (1, LEASE) for m in late)
    assert not [m for m in grid.retries if m.headers["og-attempt"] == 2]
    assert len(stub.requests("fast")) == 1


class Through:
    """A socket that something is done before each write of."""

    def __init__(self, s, before):
        self.s, self.before = s, before

    def sendall(self, data):
        self.before(data)
        self.s.sendall(data)

    def shutdown(self, how):
        self.s.shutdown(how)


class LateConfirms(Proxy):
    """From the first `done` on, what the broker says to the connection that brought it is held until `release` is set."""

    def __init__(self, target):
        self.release, self.late = threading.Event(), set()
        super().__init__(target)

    def pump(self, source, sink, to_client):
        def watch(data):
            if b".done" in data:
                self.late.add(sink)

        def hold(_):
            if source in self.late:
                self.release.wait()

        super().pump(source, Through(sink, hold if to_client else watch), to_client)


def test_a_result_that_is_confirmed_as_it_leaves_is_not_run_again(grid, workers, stub):
    host, port = grid.cluster.amqp.rsplit(":", 1)
    with LateConfirms((host, int(port))) as proxy:
        w = workers("--set", f"broker.endpoints=127.0.0.1:{proxy.port}")
        job = grid.ask("late " + stub_text(tokens=1))
        assert grid.done(job).headers["og-state"] == "done"
        w.process.send_signal(signal.SIGTERM)
        w.wait_log("Draining")
        w.process.send_signal(signal.SIGTERM)
        w.wait_log("Leaving")
        proxy.release.set()
        assert w.process.wait(10) == 0, w.text()
    workers(name="NodeB")
    assert grid.done(grid.ask("next")).headers["og-state"] == "done"
    assert len(grid.of(job, "done")) == len(stub.requests("late")) == 1


def test_many_at_once_in_their_slots(grid, workers, stub):
    stub.set(slots=8)
    workers()
    jobs = [grid.ask("crowd " + stub_text(tokens=10, pace_ms=10)) for _ in range(60)]
    for job in jobs:
        assert grid.done(job).text.endswith("tok9 ")
        assert [c.headers.get("og-seq", 0) for c in grid.of(job, "chunk")] == list(range(12))
    spans = [(r["received_s"], r["received_s"] + 0.09) for r in stub.requests("crowd")]
    assert max(sum(a <= s < b for a, b in spans) for s, _ in spans) <= 8


@pytest.mark.skipif("OG_TEST_ENGINE_URL" not in os.environ, reason="OG_TEST_ENGINE_URL names no real engine")
def test_a_real_model(grid, workers):
    w = workers(engine=os.environ["OG_TEST_ENGINE_URL"])
    assert w.status()["slots"] >= 1
    job = grid.place(
        {"messages": [{"role": "user", "content": "What is 2+2?"}], "max_tokens": 40, "seed": 1, "temperature": 0}
    )
    done = grid.done(job, 60)
    body = done.body
    assert done.headers["og-state"] == "done", body
    assert re.search(r"\w", done.text)
    assert 0 < body["response"]["usage"]["completion_tokens"] <= 40
    assert body["timings"]["tokens_per_s"] > 0
    pieces = [json.loads(c.raw) for c in grid.of(job, "chunk")]
    streamed = "".join(c["choices"][0]["delta"].get("content") or "" for c in pieces if c["choices"])
    assert streamed == done.text
    long = grid.ask("Write a very long story.", **{"max-tokens": 2000})
    grid.until("a chunk", lambda: grid.of(long, "chunk"))
    grid.cancel(long)
    assert grid.done(long).headers["og-state"] == "cancelled"
    refused = grid.done(grid.place({"messages": [{"role": "user", "content": "word " * 20000}]}), 60)
    assert refused.headers["og-error"] == "engine_error"
