"""What OpenAI's clients ask of og-gateway beyond texts: calls of tools, several prompts, embeddings, parameters that nobody here knows."""

import base64
import json
import struct
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, gateway, serving, stub, stub_text  # noqa: E402, F401

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


def test_calls_of_tools(gateway, stub):
    more = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}
    answer = gateway.chat("calls " + stub_text(call="get_weather"), **more)
    (call,) = answer.json["choices"][0]["message"]["tool_calls"]
    assert (call["id"], call["function"]) == ("call_0", {"name": "get_weather", "arguments": '{"city":"Paris"}'})
    assert answer.json["choices"][0]["finish_reason"] == "tool_calls"
    assert {k: stub.requests("calls")[0]["body"][k] for k in more} == more


def test_calls_of_tools_in_a_stream(gateway):
    answer = gateway.chat(stub_text(call="get_weather"), stream=True, tools=TOOLS)
    choices = [json.loads(event)["choices"][0] for event in answer.events[:-1]]
    pieces = [call["function"]["arguments"] for c in choices for call in c["delta"].get("tool_calls", [])]
    assert "".join(pieces) == '{"city":"Paris"}' and choices[-1]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
def test_several_prompts(gateway, stream):
    """llama.cpp begins its answer to them with an event that is nothing."""
    prompts = [stub_text(tokens=3, null=1), "and another"]
    answer = gateway.post("/v1/completions", {"model": MODEL, "prompt": prompts, "stream": stream})
    assert answer.status == 200, answer.body
    texts = [json.loads(e)["choices"] for e in answer.events[:-1]] if stream else [answer.json["choices"]]
    assert "".join(c["text"] for choices in texts for c in choices) == "tok0 tok1 tok2 "


def test_what_nobody_here_knows_reaches_the_engine(gateway, stub):
    more = {"user": "u1", "metadata": {"a": "b"}, "seed": 7, "n": 1, "min_p": 0.05, "logit_bias": {"5": -3}, "x": None}
    assert gateway.chat("all of it " + stub_text(tokens=2), **more).status == 200
    body = stub.requests("all of it")[0]["body"]
    assert {k: body[k] for k in more} == more


def embed(gateway, text, **more):
    return gateway.post("/v1/embeddings", {"model": MODEL, "input": text, **more})


def test_embeddings(gateway, stub):
    answer = embed(gateway, ["first of two", "second"], user="u1", x=None)
    assert answer.status == 200 and answer.headers["og-job"], answer.body
    assert (answer.json["object"], answer.json["model"]) == ("list", MODEL)
    assert answer.json["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert [(d["object"], d["index"], len(d["embedding"])) for d in answer.json["data"]] == [
        ("embedding", 0, 4),
        ("embedding", 1, 4),
    ]
    body = stub.requests("first of two")[0]["body"]
    assert (body["user"], body["x"], body["input"]) == ("u1", None, ["first of two", "second"])


def test_embeddings_as_base64(gateway):
    numbers = embed(gateway, "the same").json["data"][0]["embedding"]
    packed = embed(gateway, "the same", encoding_format="base64").json["data"][0]["embedding"]
    assert list(struct.unpack("<4f", base64.b64decode(packed))) == numbers


def test_embeddings_that_are_refused(gateway):
    for more, param in (
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"encoding_format": "int8"}, "encoding_format"),
    ):
        refused = gateway.post("/v1/embeddings", {"model": MODEL, "input": "x", **more})
        assert (refused.status, refused.json["error"]["param"]) == (400, param), refused.body
    assert gateway.post("/v1/embeddings", {"model": MODEL}).json["error"]["code"] == "missing_required_parameter"
    assert embed(gateway, "x", model="none-such").status == 404
    refused = embed(gateway, "x", dimensions=7)
    assert refused.status == 400 and "dimensions" in refused.json["error"]["message"]
    refused = embed(gateway, stub_text(dimensions=0, message="embeds-nothing"))
    assert refused.status == 400 and "embeds-nothing" in refused.json["error"]["message"]
