"""og-worker and what it loses: a connection, a queue, itself. A result is never lost, and nobody is answered twice."""

import contextlib
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import LEASE, TIER_QUEUE  # noqa: E402
from proxy import Proxy  # noqa: E402
from services import api, wait_for  # noqa: E402
from worker_rig import cluster, grid, stub, stub_text, workers  # noqa: E402, F401


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
