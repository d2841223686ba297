"""LiteLLM as a client."""

import os

import pytest
from rig import MODEL, STUB

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the internet for prices

import litellm  # noqa: E402

CLIENT = "litellm"
CHAT = "/v1/chat/completions"
covers = pytest.mark.covers


@pytest.fixture(scope="module")
def ask(network):
    def completion(text="Say hi.", model=MODEL, **more):
        messages = [{"role": "user", "content": text}]
        return litellm.completion(
            model=f"openai/{model}",
            messages=messages,
            api_base=network.url + "/v1",
            api_key="none",
            num_retries=0,
            max_retries=0,
            **more,
        )

    return completion


@covers(CHAT, "whole", "max_tokens")
def test_whole(ask):
    answer = ask(max_tokens=6)
    assert answer.choices[0].message.content and answer.usage.completion_tokens <= 6


@covers(CHAT, "stream", "stream_options.include_usage")
def test_stream(ask):
    chunks = list(ask(max_tokens=6, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert [c.usage.completion_tokens for c in chunks if getattr(c, "usage", None)][-1] > 0


@covers("/v1/completions", "whole")
def test_text_completion(network):
    answer = litellm.text_completion(
        model=f"text-completion-openai/{MODEL}",
        prompt="The capital of France is",
        max_tokens=4,
        api_base=network.url + "/v1",
        api_key="none",
    )
    assert answer.choices[0].text


@covers("/v1/embeddings", "one text", "several texts")
def test_embeddings(network):
    where = {"api_base": network.url + "/v1", "api_key": "none"}
    answer = litellm.embedding(model=f"openai/{MODEL}", input=["A cat sits.", "Stocks fell."], **where)
    assert [len(d["embedding"]) for d in answer.data] == [576, 576]


@covers("any", "404 unknown model")
def test_unknown_model(ask):
    with pytest.raises(litellm.NotFoundError):
        ask(model="none-such")


@covers("any", "400")
def test_bad_request(ask):
    with pytest.raises(litellm.BadRequestError):
        ask(max_tokens="many")


@pytest.mark.by_stub
@covers("any", "client time-out")
def test_timeout(ask):
    with pytest.raises(litellm.Timeout):
        ask("slow [[stub first_ms=20000]]", STUB, timeout=0.5)
