"""og-gateway as its clients see it: whole answers, streams, refusals."""

import http.client
import json
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, ask, gateway, serving, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402


def test_it_is_there(gateway):
    assert gateway.get("/healthz").body == b"ok\n"
    assert gateway.get("/readyz").json["ready"] is True
    assert b"og_gateway_broker_up 1" in gateway.get("/metrics").body


def test_models(gateway):
    models = {m["id"]: m for m in gateway.get("/v1/models").json["data"]}
    assert set(models) == {MODEL, "smol"} and models["smol"]["ready"], "what nobody serves is not offered"
    models = {m["id"]: m["ready"] for m in gateway.get("/v1/models?all=1").json["data"]}
    assert models == {MODEL: True, "smol": True, "Huge": False}
    assert gateway.get("/v1/models?all=maybe").json["error"]["param"] == "all"
    assert gateway.get("/v1/models/smol").json["id"] == "smol" and not gateway.get("/v1/models/Huge").json["ready"]
    refused = gateway.get("/v1/models/org/none")
    assert refused.status == 404 and refused.json["error"]["code"] == "model_not_found"


def test_a_whole_answer(gateway):
    answer = gateway.chat(stub_text(tokens=3))
    assert answer.status == 200 and answer.text == "tok0 tok1 tok2 "
    assert answer.json["object"] == "chat.completion" and answer.json["usage"]["completion_tokens"] == 3
    assert answer.headers["og-job"] == answer.headers["x-request-id"]


def test_a_stream(gateway):
    answer = gateway.chat(stub_text(tokens=3), stream=True)
    assert answer.headers["content-type"] == "text/event-stream" and answer.headers["x-accel-buffering"] == "no"
    assert answer.text == "tok0 tok1 tok2 " and answer.events[-1] == "[DONE]"
    assert not any("usage" in json.loads(event) for event in answer.events[:-1])
    numbers = [line[4:] for line in answer.body.decode().splitlines() if line.startswith("id: ")]
    assert numbers == [f"1.0.{n}" for n in range(len(numbers))] and len(numbers) >= 3


def test_usage_where_it_is_asked_for(gateway):
    answer = gateway.chat(stub_text(tokens=3), stream=True, stream_options={"include_usage": True})
    assert [json.loads(e)["usage"]["completion_tokens"] for e in answer.events[:-1] if '"usage"' in e] == [3]


def test_the_default_tag_may_be_said(gateway):
    """Clients of Ollama that were moved to another surface keep the names that Ollama showed them."""
    for model in ("smol:latest", f"{MODEL.lower()}:latest"):
        assert gateway.chat(stub_text(tokens=1), model=model).text == "tok0 "
        assert gateway.get(f"/v1/models/{model}").json["id"] == model
        message = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": stub_text(tokens=1)}]}
        assert gateway.post("/v1/messages", message).status == 200
        assert gateway.post("/v1/responses", {"model": model, "store": False, "input": stub_text(tokens=1)}).status == 200
        assert gateway.post("/v1/embeddings", {"model": model, "input": "x"}).status == 200
        assert gateway.post("/api/generate", {"model": model, "prompt": stub_text(tokens=1)}).status == 200
    assert gateway.chat("hello", model="smol:7b").status == 404


def test_an_unknown_model_is_told_with_what_is_served(gateway):
    refused = gateway.chat("hello", model="hug")
    assert refused.status == 404 and refused.json["error"]["message"] == f"unknown model 'hug': nearest is {MODEL}"


def test_refusals_are_proper_statuses(gateway):
    for stream in (False, True):
        refused = gateway.chat("hello", model="none-such", stream=stream)
        assert (refused.status, refused.json["error"]["code"]) == (404, "model_not_found"), refused.body
        refused = gateway.chat(stub_text(status=400, message="no-such-thing"), stream=stream)
        assert refused.status == 400 and "no-such-thing" in refused.json["error"]["message"]
    assert gateway.get("/v1/none").status == 404
    assert gateway.get("/v1/chat/completions").status == 405
    assert gateway.post("/v1/chat/completions", b"{").json["error"]["code"] == "invalid_json"
    assert gateway.post("/v1/chat/completions", {"model": MODEL}).json["error"]["param"] == "messages"
    assert gateway.post("/v1/chat/completions", {"messages": [], "model": 7}).json["error"]["param"] == "model"
    assert gateway.chat("x", headers={"og-class": "royal"}).status == 400
    assert gateway.post("/v1/chat/completions", b" " * (9 << 20)).status == 413


def test_the_engine_fails_in_mid_stream(gateway):
    answer = gateway.chat(stub_text(tokens=9, pace_ms=5, fault="error", after=3), stream=True)
    last = json.loads(answer.events[-1])
    assert answer.status == 200 and last["error"]["type"] == "server_error", answer.body


def leave(gateway, stub, when, text):
    """Asks, goes away, and says how long the engine then went on."""
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        said = text + " " + stub_text(tokens=200, pace_ms=50, first_ms=5000 if when != "in mid stream" else 0)
        body = json.dumps(ask(said, stream=when != "whole")).encode()
        s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_for("the engine to have it", lambda: stub.requests(text))
        if when == "in mid stream":
            assert s.recv(1000)
    began = time.monotonic()
    wait_for("the engine to see it go", lambda: stub.requests(text)[0]["aborted"])
    return time.monotonic() - began


@pytest.mark.parametrize("when", ["before the first token", "in mid stream", "whole"])
def test_a_client_that_leaves_cancels_its_job(gateway, stub, when):
    """Within 200 ms: the quickest of a few, since the machine may be busy with other tests."""
    assert min(leave(gateway, stub, when, f"leaves {when}, {n}") for n in range(4)) < 0.2


def test_one_connection_many_requests(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    for n in range(20):
        body = json.dumps(ask(stub_text(tokens=2), stream=n % 2 == 1))
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200 and b"tok1" in answer.read()


def test_the_same_idempotency_key_is_one_job(gateway, stub):
    answers = [gateway.chat("once " + stub_text(tokens=2), headers={"idempotency-key": "k1"}) for _ in range(3)]
    assert {a.json["id"] for a in answers} == {answers[0].json["id"]} and len(stub.requests("once")) == 1


def test_a_key_is_needed_from_elsewhere(serving):
    g = serving.gateway("locked")
    refused = g.get("/v1/models")
    assert refused.status == 401 and refused.json["error"]["code"] == "invalid_api_key"
    assert g.get("/healthz").status == 200


def test_what_a_chat_ui_asks_on_the_side_goes_to_the_low_class(serving, gateway):
    aside = "### Task:\nGenerate a concise, 3-5 word title " + stub_text(tokens=2)
    asked = {"model": MODEL, "messages": [{"role": "user", "content": aside}]}
    for path in ("/v1/chat/completions", "/api/chat", "/v1/messages"):
        for headers, expected in (({}, "batch"), ({"og-class": "high"}, "high")):
            answer = gateway.post(path, asked, headers=headers)
            assert answer.status == 200, answer.body
            assert serving.fleet.ended(answer.headers["og-job"])["class"] == expected
    assert serving.fleet.ended(gateway.chat(stub_text(tokens=2)).headers["og-job"])["class"] == "normal"


def test_a_trace_goes_on_to_the_engine(gateway, stub):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    sent = {
        "traced": (trace, state, trace, state),
        "no state": (trace, "none", trace, ""),
        "later": ("cc" + trace[2:] + "-more", state, trace, state),
        "no trace": ("x" * 500, state, "", ""),
        "zeros": (f"00-{'0' * 32}-b7ad6b7169203331-01", state, "", ""),
    }
    jobs = {}
    for name, (parent, more, *_) in sent.items():
        answer = gateway.chat(f"{name}: {stub_text(tokens=1)}", headers={"traceparent": parent, "tracestate": more})
        assert answer.status == 200
        jobs[answer.headers["og-job"]] = trace[3:35] if sent[name][2] else None

    def logged():
        return {line["job"]: line.get("trace") for line in gateway.logged() if line.get("job") in jobs}

    wait_for("their lines in the log", lambda: len(logged()) == len(jobs))
    assert logged() == jobs
    assert [(r["traceparent"], r["tracestate"]) for name in sent for r in stub.requests(f"{name}: ")] == [tuple(s[2:]) for s in sent.values()]
