"""What a client sees when a part of the cluster dies under its request: a whole answer, a typed error, or (its gateway killed) a cut
connection whose job's id yields the result."""

import asyncio
import itertools
import json
import re
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import CATALOGUE, Serving, ask, stub, stub_text  # noqa: E402, F401
from services import Rabbit, wait_for  # noqa: E402

STREAMS, TOKENS = 200, 20
names = itertools.count()


@pytest.fixture
def rabbit(tmp_path):
    r = Rabbit(tmp_path / "rabbit").start()
    yield r
    r.stop()


@pytest.fixture
def serving(tmp_path, stub, rabbit):
    s = Serving(tmp_path / "r", f"faults-{next(names)}", stub, rabbit=rabbit)
    yield s
    s.close()


class Stream:
    """One client's stream, read to its end."""

    def __init__(self, gateway, number):
        self.port, self.seen, self.whole = gateway.port, b"", False
        text = f"stream {number} " + stub_text(tokens=TOKENS, pace_ms=150)
        body = json.dumps(ask(text, stream=True)).encode()
        self.sent = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def run(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.sent)
        while not self.whole:
            try:
                more = await reader.read(65536)
            except ConnectionError:
                more = b""
            if not more:
                break
            self.seen += more
            self.whole = self.seen.endswith(b"0\r\n\r\n") or b"content-length" in self.seen.lower()
        writer.close()

    @property
    def started(self):
        return b"tok0 " in self.seen

    @property
    def job(self):
        return re.search(rb"og-job: (\S+)", self.seen)[1].decode()

    def end(self):
        """done, cut, or the code of its error; what is none of them is none of what may be."""
        if not self.whole:
            return "cut"
        tokens = [int(n) for n in re.findall(rb"tok(\d+) ", self.seen)]
        if b"data: [DONE]" in self.seen:
            assert tokens == list(range(TOKENS)), f"a whole answer has each token once: {tokens}"
            return "done"
        error = re.search(rb'"error":(\{.*?\})', self.seen)
        assert error, f"neither whole nor an error: {self.seen[-500:]}"
        return json.loads(error[1])["code"]


def run_streams(gateway, deed):
    """Runs them all, does the deed when each has begun; how each ended."""
    streams = [Stream(gateway, n) for n in range(STREAMS)]

    async def all_of_them():
        tasks = [asyncio.create_task(s.run()) for s in streams]
        until = time.monotonic() + 60
        while not all(s.started for s in streams):
            assert time.monotonic() < until, f"{sum(s.started for s in streams)} of {STREAMS} have begun"
            await asyncio.sleep(0.02)
        await asyncio.get_running_loop().run_in_executor(None, deed)
        _, late = await asyncio.wait(tasks, timeout=90)
        assert not late, f"{len(late)} have no end: {[s.seen[-300:] for s in streams if not s.whole][:3]}"

    asyncio.run(all_of_them())
    return streams


def counted(streams):
    ends = [s.end() for s in streams]
    return {end: ends.count(end) for end in set(ends)}


def begin(serving):
    serving.fleet.scheduler("one")
    serving.worker("--slots", STREAMS)
    gateway = serving.gateway("one", "gateway.loopback_without_key=yes")
    wait_for("the worker to be heard", lambda: gateway.get("/v1/models").json["data"])
    return gateway


def test_the_gateway_is_killed(serving):
    gateway = begin(serving)
    other = serving.gateway("two", "gateway.loopback_without_key=yes")
    streams = run_streams(gateway, gateway.process.kill)
    assert counted(streams) == {"cut": STREAMS}
    asker = serving.fleet.producer("gateway")
    for s in streams:
        wait_for(f"the end of {s.job}", lambda: asker.ask("result", id=s.job)["state"] == "done")  # noqa: B023
    assert other.chat(stub_text(tokens=2)).status == 200


def test_the_scheduler_is_killed(serving):
    gateway = begin(serving)
    serving.fleet.scheduler("two", until="standing by")
    assert counted(run_streams(gateway, serving.fleet.schedulers[0].kill)) == {"done": STREAMS}
    serving.fleet.schedulers.pop(0)
    wait_for("the other to answer", lambda: gateway.chat(stub_text(tokens=2)).status == 200)


def test_the_worker_is_killed(serving):
    gateway = begin(serving)

    def deed():
        serving.workers[0].kill()
        serving.worker("--slots", STREAMS, name="NodeB")

    assert counted(run_streams(gateway, deed)) == {"answer_cut": STREAMS}
    assert gateway.chat(stub_text(tokens=2)).status == 200


def test_the_broker_is_killed(serving, rabbit):
    gateway = begin(serving)
    rabbit.settle()
    ends = counted(run_streams(gateway, lambda: (rabbit.kill(), rabbit.launch())))
    assert sum(ends.values()) == STREAMS and "cut" not in ends, ends
    assert ends.get("done", 0) >= STREAMS // 2, ends
    wait_for("it to serve again", lambda: gateway.chat(stub_text(tokens=2)).status == 200)


def test_while_the_broker_is_away(serving, rabbit):
    gateway = begin(serving)
    rabbit.settle()
    rabbit.kill()
    wait_for("it to notice", lambda: not gateway.control()["gateway"]["broker"])
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/readyz")):
        began = time.monotonic()
        refused = gateway.request(method, path, ask("x") if method == "POST" else None)
        assert (refused.status, refused.json["error"]["code"]) == (503, "unavailable"), refused.body
        assert int(refused.headers["retry-after"]) > 0 and time.monotonic() - began < 1
    assert gateway.get("/healthz").status == 200
    rabbit.launch()
    wait_for("it to serve again", lambda: gateway.chat(stub_text(tokens=2)).status == 200)


def test_without_a_scheduler_nothing_hangs(serving):
    gateway = begin(serving)
    serving.fleet.schedulers.pop().stop()
    began = time.monotonic()
    refused = gateway.get("/readyz")
    assert refused.status == 503 and time.monotonic() - began < 7
    assert gateway.get("/v1/models").status == 503
