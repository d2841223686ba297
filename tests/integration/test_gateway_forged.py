"""A worker that lies to a gateway: chunks with wrong counts and numbers, ends that are no JSON. Its client gets a whole answer or a
typed error, never an empty success; the gateway lives on, with nothing left of it."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, Serving, stub  # noqa: E402, F401
from services import wait_for  # noqa: E402


@pytest.fixture(scope="module")
def rig(tmp_path_factory, stub):  # noqa: F811
    s = Serving(tmp_path_factory.mktemp("f") / "r", f"forged-{os.getpid()}", stub)
    s.fleet.scheduler()
    s.liar = s.fleet.worker("Liar", MODEL, slots=8)
    s.one = s.gateway("one", "gateway.loopback_without_key=yes")
    wait_for("the worker to be heard", lambda: s.one.get("/v1/models").json["data"])
    yield s
    s.close()


def token(text):
    return json.dumps({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}).encode()


def whole(text):
    message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"response": {"object": "chat.completion", "choices": [message]}}).encode()


def asked(rig, stream):
    """Its client's answer will be in the list; and the job, which the worker holds."""
    answers, before = [], set(rig.liar.taken)
    client = threading.Thread(target=lambda: answers.append(rig.one.chat("lie to me", stream=stream)))
    client.start()
    wait_for("the job to be placed", lambda: set(rig.liar.taken) - before)
    (job,) = set(rig.liar.taken) - before
    return client, answers, job


def say(rig, job, seq, body, **headers):
    p = rig.liar.held[job][1]
    told = {"og-attempt": p.headers["og-attempt"], "og-run": 0, "og-seq": seq, **{f"og-{k}": v for k, v in headers.items()}}
    key = f"{p.reply_to}.chunk"
    rig.liar.do(lambda: rig.liar.publish("og.replies", key, body, type="inference_chunk", message_id=job, headers=told))


HELLO = [(0, token("Hel"), {}), (1, token("lo"), {})]
BUNDLE = token("Hel") + b"\n" + token("lo")
BROKEN = b'{"response":{"choices":[}}'


@pytest.mark.parametrize(
    "chunks, seq, body, text",
    [
        (HELLO, 2, whole("Hello"), "Hello"),
        ([], 9, whole("Hello"), "Hello"),
        (HELLO[:1], 2, whole("Hello"), "Hello"),
        ([(0, BUNDLE, {"bundle": 2})], 2, whole("Hello"), "Hello"),
        ([(0, BUNDLE, {"bundle": 1000000})], 2, whole("Hello"), "Hello"),
        ([(0, b"", {"bundle": 5}), (0, b"\n\n\n", {"bundle": 2})], 9, whole("Hello"), None),
        ([(7, token("no"), {}), (10**12, token("no"), {})], 9, whole("Hello"), "Hello"),
        ([(0, b"no JSON \xff\x00 at all", {})], 9, whole("Hello"), None),
        (HELLO[:1], 9, whole("Goodbye"), None),
        ([], 9, BROKEN, None),
        (HELLO[:1], 9, BROKEN, None),
        ([], 9, b"no JSON", None),
        ([], 9, b'{"response":{}}', None),
        ([], 9, b'{"response":{"choices":[]}}', None),
        ([], 9, b'{"response":{"choices":[null,3,{"index":-1,"message":[]}]}}', None),
    ],
)
def test_a_stream_of_lies(rig, chunks, seq, body, text):
    client, answers, job = asked(rig, True)
    for number, chunk, headers in chunks:
        say(rig, job, number, chunk, **headers)
    rig.liar.finish(job, body=body, seq=seq)
    client.join(30)
    (answer,) = answers
    if text:
        assert answer.events[-1] == "[DONE]" and answer.text == text, answer.body
    else:
        assert b'"error"' in answer.body and b"[DONE]" not in answer.body, answer.body


@pytest.mark.parametrize("body", [b"no JSON", b"", b"{", b'{"response":', b'{"response":3}', b'{"response":{"a":"\\"}}', b"[" * 100000])
def test_a_whole_lie(rig, body):
    client, answers, job = asked(rig, False)
    rig.liar.finish(job, body=body or b" ", seq=0)
    client.join(30)
    assert answers[0].status == 502, answers[0].body


def test_nothing_is_left(rig):
    wait_for("it to be quiet", lambda: [rig.one.control()["gateway"][k] for k in ("jobs", "requests")] == [0, 0])
