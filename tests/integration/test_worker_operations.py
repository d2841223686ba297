"""What a worker is asked for beside answers: embeddings, and how many tokens a prompt is. With a stub engine, and with llama.cpp's own
server."""

import base64
import json
import signal
import struct
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import TIER, TIER_QUEUE  # noqa: E402
from services import Process, free_port, wait_for  # noqa: E402
from stub_engine import vector  # noqa: E402
from worker_rig import cluster, grid, stub, stub_text, workers  # noqa: E402, F401

REPO = Path(__file__).resolve().parents[2]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHAT = {"messages": [{"role": "user", "content": "how many words are these"}]}


def floats(text):
    raw = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def likeness(a, b):
    """Of two vectors of length 1."""
    return sum(x * y for x, y in zip(a, b))


def vectors(done):
    return [d["embedding"] for d in done.body["response"]["data"]]


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_embeddings(grid, workers, stub, kind):
    workers(kind=kind)
    body = {"input": ["one two", "three"], "model": "any", "user": "somebody"}
    done = grid.done(grid.place(body, operation="embed", traceparent=TRACE))
    response = done.body["response"]
    assert (response["object"], response["model"]) == ("list", TIER)
    assert vectors(done) == [vector("one two", 4), vector("three", 4)]
    assert [d["index"] for d in response["data"]] == [0, 1]
    assert response["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert (done.headers["og-state"], done.headers["og-prompt-tokens"]) == ("done", 3)
    assert "og-completion-tokens" not in done.headers and "og-seq" not in done.headers
    assert grid.of(done.id, "chunk") == []
    asked = stub.requests()[-1]
    assert asked["path"] == {"openai": "/v1/embeddings", "ollama": "/api/embed"}[kind]
    assert asked["body"] == {**body, "model": "smollm2-135m"}
    assert asked["traceparent"] == TRACE
    wait_for("the ack", lambda: grid.count(TIER_QUEUE) == 0)


@pytest.mark.parametrize(("kind", "base64"), [("openai", 1), ("openai", 0), ("ollama", 0)])
def test_base64_whatever_the_engine_makes_of_it(grid, workers, stub, kind, base64):
    stub.set(base64=base64)
    workers(kind=kind)
    done = grid.done(grid.place({"input": "one", "encoding_format": "base64"}, operation="embed"))
    assert [floats(v) for v in vectors(done)] == [vector("one", 4)]


def test_an_engine_that_does_not_embed(grid, workers, stub):
    """More of them than failures after which a worker would take no more work."""
    w = workers()
    jobs = [grid.place({"input": stub_text(dimensions=0)}, operation="embed") for _ in range(5)]
    for job in jobs:
        done = grid.done(job)
        assert (done.headers["og-state"], done.headers["og-error"]) == ("failed", "engine_error")
        assert "501: the stub says no" in done.body["error"]["message"]
    assert w.status()["state"] == "serving"
    assert grid.done(grid.ask("hi " + stub_text(tokens=1))).text == "tok0 "


def test_other_dimensions_than_were_asked_for(grid, workers):
    workers()
    done = grid.done(grid.place({"input": "a", "dimensions": 3}, operation="embed"))
    assert done.headers["og-error"] == "engine_error"
    assert "vectors of 4 numbers, and 'dimensions' asks for 3" in done.body["error"]["message"]
    assert grid.done(grid.place({"input": "a", "dimensions": 4}, operation="embed")).headers["og-state"] == "done"


def test_an_answer_above_what_a_message_may_hold(grid, workers, stub):
    """Numbers above 8 MiB: too large as they are, and no more so as base64."""
    workers()
    texts = [f"{i} " + stub_text(dimensions=8192) for i in range(120)]
    done = grid.done(grid.place({"input": texts}, operation="embed"), 60)
    assert done.headers["og-error"] == "too_large"
    done = grid.done(grid.place({"input": texts, "encoding_format": "base64"}, operation="embed"), 60)
    assert done.headers["og-state"] == "done"
    assert floats(vectors(done)[7]) == vector(texts[7], 8192)


@pytest.mark.parametrize(
    ("counts", "tokens", "paths"),
    [
        ("llama", 7, ["/v1/chat/completions/input_tokens"]),
        ("old_llama", 7, ["/apply-template", "/tokenize"]),
        ("vllm", 5, ["/tokenize"]),
    ],
)
def test_counting(grid, workers, stub, counts, tokens, paths):
    stub.set(counts=counts)
    workers()
    done = grid.done(grid.place(CHAT, operation="count_tokens"))
    assert done.body["response"] == {"object": "token_count", "prompt_tokens": tokens, "model": TIER}
    assert "og-prompt-tokens" not in done.headers
    assert [r["path"] for r in stub.requests()] == paths


def test_counting_texts(grid, workers, stub):
    workers()
    done = grid.done(grid.place({"input": ["one two", "three"]}, operation="count_tokens"))
    assert done.body["response"]["prompt_tokens"] == 3
    done = grid.done(grid.place({"prompt": "one two three four"}, operation="count_tokens"))
    assert done.body["response"]["prompt_tokens"] == 4


@pytest.mark.parametrize(("kind", "counts"), [("openai", "none"), ("ollama", "none")])
def test_who_cannot_count_says_that_it_is_an_estimate(grid, workers, stub, kind, counts):
    stub.set(counts=counts)
    workers(kind=kind)
    done = grid.done(grid.place(CHAT, operation="count_tokens"))
    assert done.body["response"] == {"object": "token_count", "prompt_tokens": 10, "estimated": True, "model": TIER}


def test_an_unknown_operation(grid, workers):
    workers()
    done = grid.done(grid.place(CHAT, operation="paint"))
    assert done.headers["og-error"] == "invalid_request"
    assert "'paint'" in done.body["error"]["message"] and "count_tokens" in done.body["error"]["message"]
    done = grid.done(grid.place(CHAT, operation="embed"))
    assert (done.headers["og-error"], done.body["error"]["message"]) == ("invalid_request", "the request has no 'input' to embed")


def test_a_cancel_reaches_an_engine_that_embeds(grid, workers, stub):
    workers()
    job = grid.place({"input": stub_text(headers_ms=60_000)}, operation="embed")
    wait_for("the engine to be asked", lambda: stub.requests("headers_ms"))
    grid.cancel(job)
    assert grid.done(job).headers["og-state"] == "cancelled"
    wait_for("its call to be closed", lambda: stub.requests("headers_ms")[0]["aborted"])


def test_an_engine_that_stalls_while_it_embeds(grid, workers):
    workers("--set", "engine.first_byte_timeout=1s")
    job = grid.place({"input": stub_text(headers_ms=60_000)}, operation="embed")
    assert grid.handed_back(job).headers["og-error"] == "engine_stalled"
    assert grid.handed_back(job).headers["og-operation"] == "embed"


def test_the_trace_of_a_prompt_and_the_context_of_the_engine(grid, workers, stub):
    stub.set(context=4096)
    w = workers()
    grid.done(grid.ask("hi " + stub_text(tokens=1), traceparent=TRACE))
    assert stub.requests()[-1]["traceparent"] == TRACE
    grid.done(grid.ask("ho " + stub_text(tokens=1), traceparent="nonsense"))
    assert stub.requests()[-1]["traceparent"] == ""
    assert w.status()["context"] == 4096
    grid.until("the heartbeat", lambda: [p for p in grid.presence if p.body["serve"] and p.body["context"] == 4096])


def test_the_echo_engine(grid, workers):
    workers(kind="echo", engine="")
    done = grid.done(grid.place({"input": ["a b", "a b", "c"], "encoding_format": "base64"}, operation="embed"))
    first, second, third = (floats(v) for v in vectors(done))
    assert first == second != third and len(first) == 8
    assert done.headers["og-prompt-tokens"] == 5
    assert grid.done(grid.place(CHAT, operation="count_tokens")).body["response"]["prompt_tokens"] == 5


class LlamaServer(Process):
    """The embedded engine, with arguments more."""

    def __init__(self, folder, *more):
        super().__init__()
        self.port = free_port()
        program = REPO / "scripts/engine/og-engine"
        self.command = [sys.executable, str(program), "--port", str(self.port), "--slots", "2", *more]
        self.log = Path(folder) / f"llama-{self.port}.log"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.spawn(self.command, log=self.log)
        wait_for(f"llama.cpp's server, {self.log}", self.ready, 120, self.process)
        return self

    def ready(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def call(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    engine = LlamaServer(tmp_path_factory.mktemp("llama"), "--embedding").start()
    yield engine
    engine.stop()


def test_a_real_engine_that_embeds(grid, workers, embedder):
    w = workers(engine=embedder.url)
    assert w.status()["context"] == 2048
    texts = ["The cat sat on the mat.", "A cat is sitting on a mat.", "Interest rates rose again."]
    done = grid.done(grid.place({"input": texts}, operation="embed"), 60)
    cat, other_cat, rates = vectors(done)
    assert len(cat) == 576
    assert done.headers["og-prompt-tokens"] == done.body["response"]["usage"]["prompt_tokens"] > 10

    assert likeness(cat, cat) == pytest.approx(1, abs=1e-3)
    assert max(likeness(cat, other_cat), likeness(cat, rates)) < 0.99
    # What the engine itself gives: computed anew, so that it is the same but for rounding.
    direct = embedder.call("/v1/embeddings", {"input": texts[0]})["data"][0]["embedding"]
    assert likeness(cat, direct) == pytest.approx(1, abs=1e-3)
    done = grid.done(grid.place({"input": texts, "encoding_format": "base64"}, operation="embed"), 60)
    assert [likeness(a, floats(b)) for a, b in zip((cat, other_cat, rates), vectors(done))] == pytest.approx([1, 1, 1], abs=1e-3)
    done = grid.done(grid.place({"input": "word " * 3000}, operation="embed"), 60)
    assert (done.headers["og-error"], w.status()["state"]) == ("engine_error", "serving")
    assert "3001 tokens" in done.body["error"]["message"]


def test_a_real_engine_counts_what_it_then_uses(grid, workers, embedder):
    workers(engine=embedder.url)
    counted = grid.done(grid.place(CHAT, operation="count_tokens"), 60).body["response"]
    assert "estimated" not in counted
    used = grid.done(grid.place({**CHAT, "max_tokens": 1}), 60).body["response"]["usage"]
    assert counted["prompt_tokens"] == used["prompt_tokens"]
