"""og-worker and its engine: a stub that answers, fails in each way that an engine does, comes late and goes; and once a real model."""

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import LEASE, TIER, TIER_QUEUE  # noqa: E402
from services import free_port, wait_for  # noqa: E402
from stub_engine import StubEngine  # noqa: E402
from worker_rig import cluster, grid, stub, stub_text, workers  # noqa: E402, F401

QUICK = ("--set", "engine.first_byte_timeout=1s", "--set", "engine.idle_timeout=1s")


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
