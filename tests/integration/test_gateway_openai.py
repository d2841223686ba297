"""What OpenAI's clients ask of og-gateway beyond texts: calls of tools, several prompts, parameters that nobody here knows."""

import json
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
