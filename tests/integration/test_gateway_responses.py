"""og-gateway's Responses, as OpenAI's clients use them."""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, gateway, serving, stub, stub_text  # noqa: E402, F401


def respond(gateway, asked, headers=None, **more):
    return gateway.post("/v1/responses", {"model": MODEL, "input": asked, **more}, headers=headers)


def events_of(answer):
    return [json.loads(event) for event in answer.events]


def text_of(events):
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def test_a_whole_response(gateway):
    answer = respond(gateway, stub_text(tokens=3), temperature=0.5, instructions="be brief")
    r = answer.json
    assert answer.status == 200 and r["object"] == "response" and r["status"] == "completed"
    assert r["id"] == "resp_" + answer.headers["og-job"].replace("-", "")
    assert r["output"][0]["content"][0]["text"] == "tok0 tok1 tok2 " and r["usage"]["output_tokens"] == 3
    assert (r["temperature"], r["instructions"], r["model"]) == (0.5, "be brief", MODEL)


def test_what_the_engine_is_asked(gateway, stub):
    items = [
        {"role": "developer", "content": "translated " + stub_text(tokens=1)},
        {"role": "user", "content": [{"type": "input_text", "text": "translated"}]},
    ]
    assert respond(gateway, items, max_output_tokens=7, text={"format": {"type": "json_object"}}).status == 200
    asked = stub.requests("translated")[0]["body"]
    assert asked["messages"][0]["role"] == "system" and asked["messages"][1] == {"role": "user", "content": "translated"}
    assert asked["max_tokens"] == 7 and asked["response_format"] == {"type": "json_object"} and "input" not in asked


def test_a_streamed_response(gateway):
    answer = respond(gateway, stub_text(tokens=3), stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    events = events_of(answer)
    names = [line[7:] for line in answer.body.decode().splitlines() if line.startswith("event: ")]
    assert names == [e["type"] for e in events]
    assert [n for n in names if n != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    numbers = [e["sequence_number"] for e in events]
    assert numbers[0] == 0 and numbers == sorted(set(numbers))
    assert text_of(events) == "tok0 tok1 tok2 " == events[-1]["response"]["output"][0]["content"][0]["text"]
    assert events[-1]["response"]["usage"]["output_tokens"] == 3


def test_refusals(gateway):
    refused = gateway.post("/v1/responses", {"model": MODEL})
    assert refused.status == 400 and refused.json["error"]["param"] == "input"
    refused = respond(gateway, "x", tools=[{"type": "web_search"}])
    assert refused.status == 400 and refused.json["error"]["param"] == "tools"
    for stream in (False, True):
        refused = gateway.post("/v1/responses", {"model": "none-such", "input": "x", "stream": stream})
        assert (refused.status, refused.json["error"]["code"]) == (404, "model_not_found")


def test_the_engine_fails_in_mid_stream(gateway):
    last = events_of(respond(gateway, stub_text(tokens=9, pace_ms=5, fault="error", after=3), stream=True))[-1]
    assert last["type"] == "response.failed" and last["response"]["error"]["code"] in ("engine_failed", "answer_restarted")
