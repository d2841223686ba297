"""og-gateway as Anthropic's Messages: whole answers, events, its shape of errors."""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import gateway, serving, stub, stub_text  # noqa: E402, F401


def messages(gateway, content, model="smol", **more):
    body = {"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": content}], **more}
    return gateway.post("/v1/messages", body, headers={"anthropic-version": "2023-06-01"})


def events(answer):
    """Of a stream: (its name, its data) of each."""
    blocks = [block.split("\n") for block in answer.body.decode().split("\n\n") if block.startswith("event: ")]
    return [(name[7:], json.loads(data[6:])) for name, data in blocks]


def test_a_whole_answer(gateway):
    answer = messages(gateway, stub_text(tokens=3))
    assert answer.status == 200 and answer.json["type"] == "message" and answer.json["model"] == "smol"
    assert answer.json["content"] == [{"type": "text", "text": "tok0 tok1 tok2 "}]
    assert answer.json["stop_reason"] == "end_turn" and answer.json["stop_sequence"] is None
    assert answer.json["usage"]["output_tokens"] == 3 and answer.json["usage"]["input_tokens"] == 2
    assert answer.json["id"] == "msg_" + answer.headers["og-job"].replace("-", "")
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


def test_a_stream(gateway):
    answer = messages(gateway, stub_text(tokens=3), stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    told = events(answer)
    assert all(name == data["type"] for name, data in told)
    kinds = [name for name, _ in told if name != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert "".join(d["delta"]["text"] for n, d in told if n == "content_block_delta") == "tok0 tok1 tok2 "
    last = dict(told)["message_delta"]
    assert last["delta"]["stop_reason"] == "end_turn" and last["usage"]["output_tokens"] == 3


def test_the_same_key_again_streams_what_is_there(gateway, stub):
    """No chunk comes of a job that has ended: all of its answer does."""
    body = {"model": "smol", "messages": [{"role": "user", "content": "again " + stub_text(tokens=3)}], "stream": True}
    texts = []
    for _ in range(2):
        answer = gateway.post("/v1/messages", body, headers={"idempotency-key": "anthropic-again"})
        texts.append("".join(d["delta"]["text"] for n, d in events(answer) if n == "content_block_delta"))
    assert texts == ["tok0 tok1 tok2 "] * 2 and len(stub.requests("again ")) == 1


def test_what_the_engine_is_asked(gateway, stub):
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    conversation = [
        {"role": "user", "content": "what is f of 1?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "42"},
                {"type": "text", "text": "a turn " + stub_text()},
            ],
        },
    ]
    body = {
        "model": "smol",
        "max_tokens": 7,
        "system": "be short",
        "messages": conversation,
        "tools": [{"name": "f", "description": "a function", "input_schema": schema}],
        "tool_choice": {"type": "any"},
        "stop_sequences": ["END"],
    }
    assert gateway.post("/v1/messages?beta=true", body).status == 200
    (asked,) = (r["body"] for r in stub.requests("a turn "))
    assert [m["role"] for m in asked["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert asked["messages"][2]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x":1}'}
    assert asked["messages"][3] == {"role": "tool", "tool_call_id": "t1", "content": "42"}
    assert asked["tools"][0]["function"]["parameters"] == schema and asked["tool_choice"] == "required"
    assert (asked["max_tokens"], asked["stop"]) == (7, ["END"]) and "system" not in asked


def test_thinking(gateway, stub):
    thinking = {"type": "enabled", "budget_tokens": 16}
    text = stub_text(tokens=2, thought="hm")
    answer = messages(gateway, f"think {text}", thinking=thinking)
    assert [(b["type"], b.get("thinking") or b.get("text")) for b in answer.json["content"]] == [("thinking", "hm"), ("text", "tok0 tok1 ")]
    (asked,) = (r["body"] for r in stub.requests("think "))
    assert asked["thinking_budget_tokens"] == 16 and asked["chat_template_kwargs"] == {"enable_thinking": True}
    told = events(messages(gateway, text, thinking=thinking, stream=True))
    starts = [d["content_block"]["type"] for n, d in told if n == "content_block_start"]
    deltas = [d["delta"]["type"] for n, d in told if n == "content_block_delta"]
    assert starts == ["thinking", "text"] and deltas == ["thinking_delta", "text_delta", "text_delta"]
    answer = messages(gateway, f"do not {text}", thinking={"type": "disabled"})
    assert [b["type"] for b in answer.json["content"]] == ["text"]
    (asked,) = (r["body"] for r in stub.requests("do not "))
    assert "thinking_budget_tokens" not in asked and asked["chat_template_kwargs"] == {"enable_thinking": False}
    refused = messages(gateway, text, thinking={"type": "enabled", "budget_tokens": "16"})
    assert refused.status == 400 and refused.json["error"]["message"].startswith("thinking.budget_tokens:")


def test_refusals_have_its_shape(gateway):
    for stream in (False, True):
        refused = messages(gateway, "hello", model="none-such", stream=stream)
        assert refused.status == 404 and refused.json["type"] == "error"
        assert refused.json["error"]["type"] == "not_found_error" and "none-such" in refused.json["error"]["message"]
        assert refused.json["request_id"] == refused.headers["request-id"]
        refused = messages(gateway, stub_text(status=400, message="no-such-thing"), stream=stream)
        assert refused.status == 400 and refused.json["error"]["type"] == "invalid_request_error"
    refused = messages(gateway, [{"type": "image", "source": {"type": "file"}}])
    assert refused.status == 400 and refused.json["error"]["message"].startswith("messages.0.content.0")
    assert gateway.post("/v1/messages", b"{").json["error"]["type"] == "invalid_request_error"
    refused = gateway.get("/v1/messages")
    assert refused.status == 405 and refused.headers["request-id"] == refused.headers["x-request-id"]


def test_the_engine_fails_in_mid_stream(gateway):
    answer = messages(gateway, stub_text(tokens=9, pace_ms=5, fault="error", after=3), stream=True)
    name, data = events(answer)[-1]
    assert answer.status == 200 and name == "error" and data["error"]["type"] == "api_error"


def test_tokens_are_counted(gateway):
    body = {"model": "smol", "system": "be short", "messages": [{"role": "user", "content": "one two three"}]}
    answer = gateway.post("/v1/messages/count_tokens", body)
    assert answer.status == 200 and answer.json["input_tokens"] >= 3 and "estimated" not in answer.json, answer.body
    refused = gateway.post("/v1/messages/count_tokens", {**body, "model": "none-such"})
    assert refused.status == 404 and refused.json["error"]["type"] == "not_found_error"
    assert gateway.post("/v1/messages/count_tokens", {"model": "smol"}).json["error"]["message"].startswith("messages:")
