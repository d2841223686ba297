"""A worker under test: its cluster, a stub engine, and the grid that plays everybody else. Imported where it is needed."""

import re
import signal
import time

import pytest

from grid import Grid, Worker, new_cluster
from services import api, wait_for
from stub_engine import StubEngine


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = new_cluster(tmp_path_factory.mktemp("w") / "r")
    yield c
    api("DELETE", f"/api/vhosts/{c.name}")


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    s = StubEngine(tmp_path_factory.mktemp("stub")).start()
    yield s
    s.stop()


@pytest.fixture
def grid(cluster):
    g = Grid(cluster)
    yield g
    g.close()


@pytest.fixture
def workers(cluster, stub):
    """Starts workers, and ends them as an operator does."""
    started = []

    def start(*args, wait="serving", **more):
        more.setdefault("engine", stub.url)
        w = Worker(cluster.root, *args, **more).start()
        started.append(w)
        return w.wait_state(wait) if wait else w

    stub.signal(signal.SIGCONT)  # the test before may have failed while it stood still
    stub.reset()
    yield start
    for w in started:
        w.process.poll()
        if w.process.returncode is None:
            w.leave()
        elif w.process.returncode != -signal.SIGKILL:
            assert w.process.returncode == 0, w.text()[-3000:]


def stub_text(**directives):
    return "[[stub " + " ".join(f"{k}={v}" for k, v in directives.items()) + "]]"


def own_queue(w):
    """The name of its own queue, which ends as its key for control messages does."""
    return f"og.node.{w.user}~" + w.worker_key


def own_key(w):
    return own_queue(w)[len("og.") :]


def give_own_queue(grid, w):
    """As a scheduler makes it, and tells of it."""
    args = {
        "x-queue-type": "quorum", "x-delivery-limit": 100, "x-dead-letter-exchange": "og.dead",
        "x-dead-letter-routing-key": "dead",
    }  # fmt: skip
    w.user = grid.cluster.credentials("worker")[0]
    w.worker_key = re.sub("[^a-z0-9-]", "_", w.status()["worker"].lower())
    grid.work.queue_declare(own_queue(w), durable=True, arguments=args)
    grid.work.queue_bind(own_queue(w), "og.work", own_key(w))
    grid.tell(w, "node_queue")
    wait_for("it to read its queue", lambda: w.status()["node_queue"])


def in_ms(ms):
    return int(time.time() * 1000) + ms
