"""Ollama's client for Python, as it is."""

import json

import ollama
import pytest
from rig import MODEL, STUB
from services import wait_for
from test_openai_python import PIXEL, WEATHER, aborted, sent

CLIENT = "ollama-python"
CHAT, GENERATE, LISTS = "/api/chat", "/api/generate", "/api/tags, /api/show, /api/ps, /api/version"
covers, by_stub = pytest.mark.covers, pytest.mark.by_stub


@pytest.fixture(scope="module")
def client(network):
    return ollama.Client(host=network.url)


def says(text, **more):
    return [{"role": "user", "content": text, **more}]


@covers(CHAT, "whole", "options")
def test_chat(client):
    answer = client.chat(MODEL, says("Say hi."), options={"num_predict": 6, "temperature": 0})
    assert answer.message.content and answer.done and answer.done_reason in ("stop", "length")
    assert 0 < answer.eval_count <= 6 and answer.prompt_eval_count > 0 and answer.total_duration > 0


@covers(CHAT, "stream")
def test_chat_streamed(client):
    *parts, last = client.chat(MODEL, says("Say hi."), stream=True, options={"num_predict": 6})
    assert "".join(p.message.content or "" for p in parts) and last.done and last.eval_count > 0
    assert not any(p.done for p in parts)


@covers(CHAT, "options")
def test_options(client):
    def story(seed):
        options = {"seed": seed, "temperature": 1.5, "num_predict": 8}
        return client.chat(MODEL, says("Tell me a story."), options=options).message.content

    assert story(7) == story(7)
    answer = client.chat(
        MODEL, says("Count from 1 to 9."), options={"stop": ["3"], "num_predict": 32, "temperature": 0}
    )
    assert "3" not in answer.message.content


@covers(CHAT, "format")
def test_format(client):
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    answer = client.chat(MODEL, says("How old is Bob?"), format=schema, options={"num_predict": 40})
    assert isinstance(json.loads(answer.message.content)["age"], int)


@by_stub
@covers(CHAT, "images")
def test_images_reach_the_engine(client, network):
    image = PIXEL.partition(",")[2]
    client.chat(STUB, says("an ollama picture", images=[image]))
    parts = sent(network, "an ollama picture")["messages"][0]["content"]
    assert any(image in part.get("image_url", {}).get("url", "") for part in parts)


@by_stub
@covers(CHAT, "tools")
@pytest.mark.parametrize("stream", [False, True])
def test_tools(client, stream):
    answer = client.chat(STUB, says("weather [[stub call=get_weather]]"), tools=[WEATHER], stream=stream)
    calls = [c for part in (answer if stream else [answer]) for c in part.message.tool_calls or []]
    assert [(c.function.name, c.function.arguments) for c in calls] == [("get_weather", {"city": "Paris"})]


@covers(GENERATE, "whole", "options")
def test_generate(client):
    answer = client.generate(MODEL, "Say hi.", system="You are kind.", options={"num_predict": 6})
    assert answer.response and answer.done and answer.eval_count <= 6


@covers(GENERATE, "stream")
def test_generate_streamed(client):
    *parts, last = client.generate(MODEL, "Say hi.", stream=True, options={"num_predict": 6})
    assert "".join(p.response for p in parts) and last.done


@covers(LISTS, "list", "ps")
def test_lists(client):
    assert f"{MODEL}:latest" in {m.model for m in client.list().models} or MODEL in {
        m.model for m in client.list().models
    }
    assert client.ps().models


@covers(LISTS, "show")
def test_show(client):
    assert "completion" in client.show(MODEL).capabilities
    with pytest.raises(ollama.ResponseError) as refused:
        client.show("none-such")
    assert refused.value.status_code == 404


@covers("any", "404 unknown model")
@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model(client, stream):
    with pytest.raises(ollama.ResponseError) as refused:
        list(client.chat("none-such", says("Hi."), stream=stream))
    assert refused.value.status_code == 404 and "none-such" in refused.value.error


@covers("any", "400")
def test_bad_request(client):
    with pytest.raises(ollama.ResponseError) as refused:
        client.chat(MODEL, says("Hi."), options={"temperature": "hot"})
    assert refused.value.status_code == 400


@covers("any", "401")
def test_without_a_key(network):
    with pytest.raises(ollama.ResponseError) as refused:
        ollama.Client(host=network.locked_url).list()
    assert refused.value.status_code == 401
    assert ollama.Client(host=network.locked_url, headers={"authorization": f"Bearer {network.key}"}).list().models


@by_stub
@covers("any", "error in mid-stream")
def test_an_error_in_mid_stream_is_raised(client):
    with pytest.raises(ollama.ResponseError):
        list(client.chat(STUB, says("ollama breaks [[stub tokens=9 pace_ms=20 fault=cut after=5]]"), stream=True))


@by_stub
@covers("any", "client leaves in mid-stream")
def test_a_client_that_leaves_stops_its_job(client, network):
    stream = client.chat(STUB, says("ollama left [[stub tokens=500 pace_ms=20]]"), stream=True)
    next(stream)
    stream.close()
    wait_for("the engine to be told", lambda: aborted(network, "ollama left"), 5)


@by_stub
@covers("/api/embed", "one text", "several texts")
def test_embed(client):
    one = client.embed(STUB, "a text").embeddings
    both = client.embed(STUB, ["a text", "another"])
    assert len(one) == 1 and len(both.embeddings) == 2 and both.embeddings[0] == one[0]
    assert both.prompt_eval_count > 0 and client.embeddings(STUB, "a text").embedding == one[0]


@by_stub
@covers(CHAT, "tools")
def test_tools_reach_the_engine(client, network):
    client.chat(STUB, says("an ollama tool"), tools=[WEATHER])
    assert sent(network, "an ollama tool")["tools"][0]["function"]["name"] == "get_weather"
