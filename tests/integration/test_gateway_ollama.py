"""og-gateway as an Ollama: its paths, its streams of JSON lines, its words for refusals."""

import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, gateway, serving, stub, stub_text  # noqa: E402, F401


def lines(answer):
    return [json.loads(line) for line in answer.body.splitlines()]


def chat(gateway, text, model="smol", **more):
    return gateway.post("/api/chat", {"model": model, "messages": [{"role": "user", "content": text}], **more})


def generate(gateway, text, **more):
    return gateway.post("/api/generate", {"model": "smol", "prompt": text, **more})


def test_it_says_that_it_is_one(gateway):
    for method in ("GET", "HEAD"):
        assert gateway.request(method, "/").status == 200
    assert gateway.get("/").body == b"Ollama is running"
    assert gateway.get("/api/version").json["version"].count(".") == 2


def test_models(gateway):
    models = gateway.get("/api/tags").json["models"]
    assert [m["name"] for m in models] == [f"{MODEL}:latest", "smol:latest"], "what nobody serves is not listed"
    assert all(len(m["digest"]) == 64 and m["size"] == 2**29 and m["modified_at"] for m in models)
    (running,) = gateway.get("/api/ps").json["models"]
    assert running["name"] == f"{MODEL}:latest" and running["size_vram"] == 0
    more = ["tools", "thinking"]  # what the catalogue says of it
    for body, can in (({"model": "smol:latest"}, []), ({"name": "Smol"}, []), ({"model": "Huge"}, more)):
        shown = gateway.post("/api/show", body)
        assert shown.status == 200 and shown.json["capabilities"] == ["completion", *can], shown.body
    refused = gateway.post("/api/show", {"model": "none-such"})
    assert refused.status == 404 and "none-such" in refused.json["error"]


def test_a_stream_is_the_default(gateway):
    answer = chat(gateway, stub_text(tokens=3), model="smol:latest")
    *told, last = lines(answer)
    assert answer.status == 200 and answer.headers["content-type"] == "application/x-ndjson"
    assert "".join(line["message"]["content"] for line in told) == "tok0 tok1 tok2 "
    assert all(line["model"] == "smol:latest" and line["done"] is False for line in told)
    assert last["done"] and last["done_reason"] == "stop" and last["message"]["content"] == ""
    assert last["eval_count"] == 3 and last["prompt_eval_count"] == 2
    assert last["total_duration"] >= last["prompt_eval_duration"] + last["eval_duration"]


def test_the_figures_are_the_jobs(gateway):
    last = lines(chat(gateway, stub_text(tokens=5, pace_ms=20, first_ms=100)))[-1]
    assert last["prompt_eval_duration"] >= 90e6 and last["eval_duration"] >= 70e6
    parts = ("load_duration", "prompt_eval_duration", "eval_duration")
    assert abs(last["total_duration"] - sum(last[part] for part in parts)) < 2e6


def test_a_whole_answer(gateway):
    answer = chat(gateway, stub_text(tokens=3), stream=False)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["message"] == {"role": "assistant", "content": "tok0 tok1 tok2 "}
    assert answer.json["done"] is True and answer.json["eval_count"] == 3
    answer = generate(gateway, stub_text(tokens=2), stream=False)
    assert answer.json["response"] == "tok0 tok1 " and "message" not in answer.json


@pytest.mark.parametrize("raw", [False, True])
def test_generate(gateway, stub, raw):
    text = f"generate {raw} " + stub_text(tokens=2)
    *told, last = lines(generate(gateway, text, raw=raw, system="be short"))
    assert "".join(line["response"] for line in told) == "tok0 tok1 " and last["done_reason"] == "stop"
    (asked,) = stub.requests(f"generate {raw}")
    assert asked["path"] == ("/v1/completions" if raw else "/v1/chat/completions")
    if not raw:
        assert [m["role"] for m in asked["body"]["messages"]] == ["system", "user"]


def test_options_reach_the_engine(gateway, stub):
    options = {"num_predict": 9, "temperature": 0.5, "top_k": 4, "repeat_penalty": 1.1, "stop": ["x"], "num_ctx": 99}
    chat(gateway, "options " + stub_text(), options=options, format={"type": "object"}, keep_alive="5m", think=False)
    (asked,) = (r["body"] for r in stub.requests("options "))
    assert (asked["max_tokens"], asked["top_k"], asked["repeat_penalty"], asked["stop"]) == (9, 4, 1.1, ["x"])
    assert asked["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert asked["chat_template_kwargs"] == {"enable_thinking": False}
    assert not {"num_ctx", "options", "format", "keep_alive", "think"} & set(asked)


def test_images_reach_the_engine(gateway, stub):
    png = "iVBORw0KGgoAAAANSUhEUg=="
    body = {"model": "smol", "messages": [{"role": "user", "content": "picture " + stub_text(), "images": [png]}]}
    assert gateway.post("/api/chat", body).status == 200
    (asked,) = stub.requests("picture ")
    parts = asked["body"]["messages"][0]["content"]
    assert parts[1]["image_url"]["url"] == f"data:image/png;base64,{png}"


def test_embeddings(gateway):
    answer = gateway.post("/api/embed", {"model": "smol:latest", "input": ["one two", "three"]})
    assert answer.status == 200 and answer.json["model"] == "smol:latest", answer.body
    one, three = answer.json["embeddings"]
    assert len(one) == len(three) == 4 and one != three and answer.json["prompt_eval_count"] == 3
    assert answer.json["total_duration"] >= answer.json["load_duration"]
    assert gateway.post("/api/embed", {"model": "smol", "input": "three"}).json["embeddings"] == [three]
    assert gateway.post("/api/embeddings", {"model": "smol", "prompt": "three"}).json == {"embedding": three}
    assert gateway.post("/api/embed", {"model": "smol", "input": []}).json["embeddings"] == []
    assert gateway.post("/api/embed", {"model": "none-such", "input": "x"}).status == 404
    assert gateway.post("/api/embed", {"model": "smol", "input": 7}).json["error"].startswith("input:")


def test_without_a_prompt_the_model_is_at_hand(gateway):
    assert lines(gateway.post("/api/generate", {"model": "smol"}))[0]["done_reason"] == "load"
    unload = gateway.post("/api/chat", {"model": "smol", "messages": [], "keep_alive": 0})
    assert unload.json["done_reason"] == "unload" and unload.json["done"] is True
    assert gateway.post("/api/generate", {"model": "none-such"}).status == 404


def test_refusals_are_proper_statuses(gateway):
    for stream in (False, True):
        refused = chat(gateway, "hello", model="none-such", stream=stream)
        assert refused.status == 404 and "none-such" in refused.json["error"], refused.body
        refused = chat(gateway, stub_text(status=400, message="no-such-thing"), stream=stream)
        assert refused.status == 400 and "no-such-thing" in refused.json["error"]
    assert gateway.post("/api/chat", {"model": "smol", "messages": [7]}).json["error"].startswith("messages.0")
    assert gateway.post("/api/generate", {"prompt": "x"}).json["error"].startswith("model:")
    assert gateway.post("/api/chat", b"{").status == 400
    assert gateway.get("/api/chat").status == 405 and gateway.get("/api/none").json["error"]


def test_the_engine_fails_in_mid_stream(gateway):
    answer = chat(gateway, stub_text(tokens=9, pace_ms=5, fault="error", after=3))
    *told, last = lines(answer)
    assert answer.status == 200 and told and last["error"] and "done" not in last, answer.body


def test_a_pull_is_a_question(gateway):
    assert [line["status"] for line in lines(gateway.post("/api/pull", {"model": "smol"}))][-1] == "success"
    assert gateway.post("/api/pull", {"name": "smol:latest", "stream": False}).json == {"status": "success"}
    refused = gateway.post("/api/pull", {"model": "Huge"})
    assert refused.status == 409 and "start an og-worker" in refused.json["error"]
    refused = gateway.post("/api/pull", {"model": "none-such"})
    assert refused.status == 404 and "catalogue" in refused.json["error"]


@pytest.mark.parametrize(
    "method, path", [("POST", "create"), ("POST", "copy"), ("DELETE", "delete"), ("POST", "push"), ("POST", "blobs/x")]
)
def test_what_is_not_done_from_here_is_refused_by_name(gateway, method, path):
    refused = gateway.request(method, f"/api/{path}", {"model": "smol"})
    assert refused.status == 501 and f"/api/{path}" in refused.json["error"]
