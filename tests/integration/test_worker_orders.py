"""og-worker as it is told to: draining, pausing, its own queue, suspects, who hears a run."""

import json
import signal
import sys
import time
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import LEASE, TIER_QUEUE  # noqa: E402
from services import wait_for  # noqa: E402
from worker_rig import cluster, give_own_queue, grid, in_ms, own_key, own_queue, stub, stub_text, workers  # noqa: E402, F401


def test_drain_lets_a_run_end(grid, workers):
    w = workers()
    job = grid.ask(stub_text(tokens=20, pace_ms=50))
    grid.until("a chunk", lambda: grid.of(job, "chunk"))
    w.process.send_signal(signal.SIGTERM)
    w.wait_log("Draining")
    wait_for("its queue is read no more", lambda: grid.readers(TIER_QUEUE) == 0)
    waits = grid.ask("too late")
    assert grid.done(job).headers["og-state"] == "done"
    assert w.process.wait(10) == 0
    grid.pump(0.3)
    assert grid.presence[-1].body["leaving"]
    assert [p for p in grid.presence if p.body["draining"] and not p.body["leaving"]]
    wait_for("the other one still in its queue", lambda: grid.count(TIER_QUEUE) == 1)
    workers(name="NodeB")
    assert grid.done(waits).headers["og-node-name"] == "NodeB"


@pytest.mark.parametrize("hurry", ["a second SIGTERM", "the time is up"])
def test_what_still_runs_when_the_time_is_up_goes_back_as_draining(grid, workers, stub, hurry):
    w = workers(*(() if hurry == "a second SIGTERM" else ("--set", "worker.drain=1s")))
    job = grid.ask("handed back " + stub_text(tokens=100, pace_ms=100))
    grid.until("a chunk", lambda: grid.of(job, "chunk"))
    told = time.monotonic()
    w.process.send_signal(signal.SIGTERM)
    w.wait_log("Draining")
    if hurry == "a second SIGTERM":
        told = time.monotonic()
        w.process.send_signal(signal.SIGTERM)
    back = grid.handed_back(job)
    assert (back.headers["og-error"], back.headers["og-attempt"]) == ("draining", 1)
    assert w.process.wait(10) == 0
    assert time.monotonic() - told < 3.5
    assert stub.requests("handed back")[0]["aborted"]
    assert grid.count(TIER_QUEUE) == 0, "acked: its hand-back was confirmed"
    assert not grid.of(job, "done")


def test_what_waits_goes_back_at_once_when_it_drains(grid, workers, stub):
    w = workers("--slots", 1)
    give_own_queue(grid, w)
    busy = grid.ask("busy " + stub_text(tokens=20, pace_ms=50))
    wait_for("the request", lambda: stub.requests("busy"))
    waits = grid.ask("waits", key=own_key(w))
    grid.until("both in presence", lambda: grid.presence and len(grid.presence[-1].body["running"]) == 2)
    w.process.send_signal(signal.SIGTERM)
    assert grid.handed_back(waits).headers["og-error"] == "draining"
    assert not grid.of(busy, "done")
    assert grid.done(busy).headers["og-state"] == "done"
    assert w.process.wait(10) == 0
    assert grid.count(own_queue(w)) == 0
    assert not stub.requests("waits")


def test_its_own_queue(grid, workers, stub):
    w = workers("--slots", 2)
    assert not w.status()["node_queue"]
    give_own_queue(grid, w)
    grid.until("presence", lambda: grid.presence and grid.presence[-1].body.get("node_queue"))
    mine = [grid.ask("mine " + stub_text(tokens=5, pace_ms=20), key=own_key(w)) for _ in range(3)]
    others = [grid.ask("others " + stub_text(tokens=5, pace_ms=20)) for _ in range(6)]
    for job in mine + others:
        assert grid.done(job).headers["og-state"] == "done"
    spans = [(r["received_s"], r["received_s"] + 0.07) for r in stub.requests()]
    assert max(sum(a <= s < b for a, b in spans) for s, _ in spans) <= 2, "both queues together have its slots"
    wait_for("the acks", lambda: grid.count(own_queue(w)) == grid.count(TIER_QUEUE) == 0)


def test_all_slots_serve_its_own_queue(grid, workers, stub):
    w = workers("--slots", 4)
    give_own_queue(grid, w)
    jobs = [grid.ask("side by side " + stub_text(tokens=10, pace_ms=50), key=own_key(w)) for _ in range(4)]
    for job in jobs:
        assert grid.done(job).headers["og-state"] == "done"
    came = [r["received_s"] for r in stub.requests("side by side")]
    assert len(came) == 4 and max(came) - min(came) < 0.45, "each takes 0.5 s: all four run at once"


def test_an_own_queue_that_is_not_there(grid, workers, stub):
    w = workers(name="NodeC")
    job = grid.ask("stays " + stub_text(tokens=30, pace_ms=50))
    grid.until("a chunk", lambda: grid.of(job, "chunk"))
    grid.tell(w, "node_queue")
    w.wait_log("No connection to the broker")
    w.wait_log("Back in the cluster")
    assert grid.done(job).headers["og-state"] == "done"
    assert len(stub.requests("stays")) == 1
    assert not w.status()["node_queue"]
    assert not grid.retries


def test_pause_and_resume(grid, workers, stub):
    w = workers()
    grid.tell(w, "pause")
    w.wait_state("paused")
    grid.until("presence", lambda: grid.presence and grid.presence[-1].body.get("paused"))
    assert grid.presence[-1].body["serve"]
    job = grid.ask("waits")
    grid.pump(0.3)
    assert not stub.requests("waits")
    grid.tell(w, "resume")
    assert grid.done(job).headers["og-state"] == "done"
    until = in_ms(700)
    grid.tell(w, "pause", not_before=until)
    w.wait_state("paused")
    assert w.status()["paused_until_ms"] == until
    assert grid.done(grid.ask("later")).headers["og-state"] == "done"
    assert time.time() * 1000 >= until
    w.wait_state("serving")


def test_drain_and_undrain(grid, workers, stub):
    w = workers()
    node = w.status()["node"]["id"]
    runs = grid.ask("runs " + stub_text(tokens=20, pace_ms=50))
    grid.until("a chunk", lambda: grid.of(runs, "chunk"))
    grid.control("drain", f"node.{node}")
    w.wait_state("draining")
    waits = grid.ask("waits")
    assert grid.done(runs).headers["og-state"] == "done"
    grid.until("presence", lambda: grid.presence[-1].body["draining"] and not grid.presence[-1].body["running"])
    assert w.alive()
    assert not grid.of(waits)
    grid.control("undrain", f"node.{node}")
    assert grid.done(waits).headers["og-state"] == "done"
    w.wait_state("serving")


def test_a_suspect_runs_alone(grid, workers, stub):
    workers("--slots", 4)
    first = grid.ask("first " + stub_text(tokens=20, pace_ms=30))
    wait_for("the request", lambda: stub.requests("first"))
    suspect = grid.ask("suspect " + stub_text(tokens=10, pace_ms=30), suspect=1)
    after = grid.ask("after " + stub_text(tokens=1))
    for job in (first, suspect, after):
        assert grid.done(job).headers["og-state"] == "done"
    (alone,) = [m for m in grid.retries if m.type == "alone"]
    assert (alone.id, alone.headers["og-lease"], alone.headers["og-epoch"]) == (suspect, LEASE, 42)
    at = {text: stub.requests(text)[0]["received_s"] for text in ("first", "suspect", "after")}
    assert at["suspect"] >= grid.done(first).at - 0.1
    assert at["after"] >= at["suspect"] + 0.25, "nothing starts before it has ended"


@pytest.mark.parametrize("stream", [0, 1])
def test_attach(grid, workers, stub, stream):
    w = workers()
    job = grid.ask("long " + stub_text(tokens=40, pace_ms=30), stream=stream)
    wait_for("some tokens", lambda: stub.requests("long") and stub.requests("long")[0]["tokens_sent"] >= 5)
    late = Late(grid)
    grid.tell(w, "attach", job=job, reply=late.reply, seq=2)
    done = grid.done(job)
    grid.until("the last chunk", lambda: late.heard and late.heard[-1].headers.get("og-seq", 0) == 41)
    assert [c.headers.get("og-seq", 0) for c in late.heard] == list(range(2, 42))
    assert {(c.what, c.headers["og-attempt"], c.headers.get("og-run", 0)) for c in late.heard} == {("chunk", 1, 0)}
    pieces = [json.loads(c.raw)["choices"] for c in late.heard]
    text = "".join(p[0]["delta"].get("content") or "" for p in pieces if p)
    assert done.text.endswith(text)
    assert text.startswith("tok2 ")
    assert len(grid.of(job, "chunk")) == (42 if stream else 0)
    assert done.headers.get("og-seq", 0) == (42 if stream else 0)
    wait_for("nothing kept of it", lambda: w.status()["kept_bytes"] == 0)


class Late:
    """One more that listens, under a reply key of its own."""

    def __init__(self, grid):
        self.reply, self.heard = f"{grid.cluster.credentials('producer')[0]}~{uuid.uuid4().hex}", []
        grid.listen(grid.replies, f"og.reply.{self.reply}", "og.replies", f"{self.reply}.*", self.heard)
