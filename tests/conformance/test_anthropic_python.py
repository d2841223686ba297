"""Anthropic's SDK for Python, as it is."""

import anthropic
import pytest
from rig import MODEL, STUB
from services import wait_for
from test_openai_python import PIXEL, aborted, sent

CLIENT = "anthropic-python"
MESSAGES = "/v1/messages"
covers, by_stub = pytest.mark.covers, pytest.mark.by_stub
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def client(network):
    with anthropic.Anthropic(base_url=network.url, api_key="none", max_retries=0) as c:
        yield c


def ask(content="Say hi.", model=MODEL, **more):
    return {"model": model, "max_tokens": 8, "messages": [{"role": "user", "content": content}], **more}


def read(answer):
    """Tokens of the prompt, those in the engine's cache too."""
    return answer.usage.input_tokens + answer.usage.cache_read_input_tokens


@covers(MESSAGES, "whole")
def test_whole(client):
    answer = client.messages.create(**ask())
    assert answer.type == "message" and answer.role == "assistant" and answer.model == MODEL and answer._request_id
    assert answer.content[0].text and answer.stop_reason in ("end_turn", "max_tokens")
    assert 0 < answer.usage.output_tokens <= 8 and answer.usage.input_tokens > 0


@covers(MESSAGES, "stream")
def test_stream(client):
    with client.messages.stream(**ask()) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
    assert text and answer.content[0].text == text and answer.stop_reason in ("end_turn", "max_tokens")
    assert 0 < answer.usage.output_tokens <= 8 and answer.usage.input_tokens > 0


@covers(MESSAGES, "system")
def test_system(client):
    short = client.messages.create(**ask(system="Be short."))
    long = client.messages.create(**ask(system="You are a pirate, and speak as pirates speak, whatever is asked."))
    assert read(long) > read(short)


@covers(MESSAGES, "stop_sequences")
def test_stop_sequences(client):
    asked = {**ask("Count from 1 to 9.", stop_sequences=["3"]), "max_tokens": 32}
    answer = client.messages.create(**asked, extra_body={"temperature": 0})
    assert "3" not in answer.content[0].text


@by_stub
@covers(MESSAGES, "tools")
def test_tools_reach_the_engine(client, network):
    choice = {"type": "tool", "name": "get_weather"}
    client.messages.create(**ask("an anthropic tool", STUB, tools=[WEATHER], tool_choice=choice))
    body = sent(network, "an anthropic tool")
    assert body["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
    assert body["tool_choice"]["function"]["name"] == "get_weather"


@by_stub
@covers(MESSAGES, "tools")
def test_calls_of_tools_come_back(client):
    asked = ask("anthropic calls [[stub call=get_weather]]", STUB, tools=[WEATHER])
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for answer in (client.messages.create(**asked), streamed):
        (call,) = [c for c in answer.content if c.type == "tool_use"]
        assert (call.name, call.input, answer.stop_reason) == ("get_weather", {"city": "Paris"}, "tool_use")


@by_stub
@covers(MESSAGES, "images")
def test_images_reach_the_engine(client, network):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]}
    parts = [{"type": "image", "source": source}, {"type": "text", "text": "an anthropic picture"}]
    client.messages.create(**ask(parts, STUB))
    assert sent(network, "an anthropic picture")["messages"][0]["content"][0]["image_url"]["url"] == PIXEL


@covers(MESSAGES, "count_tokens")
def test_count_tokens(client):
    asked = ask("How many tokens are these?")
    asked.pop("max_tokens")
    counted = client.messages.count_tokens(**asked).input_tokens
    assert counted == read(client.messages.create(**asked, max_tokens=1))


@covers("any", "404 unknown model")
@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model(client, stream):
    with pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.create(**ask(model="none-such"), stream=stream)
    assert "none-such" in refused.value.message and refused.value.request_id


@covers("any", "400")
def test_bad_request(client):
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**ask([{"type": "image", "source": {"type": "file", "file_id": "x"}}]))


@covers("any", "401")
def test_without_a_key(network):
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=network.locked_url, api_key="og-none", max_retries=0).messages.create(**ask())
    with anthropic.Anthropic(base_url=network.locked_url, api_key=network.key) as client:
        assert client.messages.create(**ask()).content


@by_stub
@covers("any", "error in mid-stream")
def test_an_error_in_mid_stream_is_raised(client):
    broken = ask("anthropic breaks [[stub tokens=9 pace_ms=20 fault=cut after=5]]", STUB)
    with pytest.raises(anthropic.APIError), client.messages.stream(**broken) as stream:
        list(stream.text_stream)


@by_stub
@covers("any", "client leaves in mid-stream")
def test_a_client_that_leaves_stops_its_job(client, network):
    with client.messages.stream(**ask("anthropic left [[stub tokens=500 pace_ms=20]]", STUB)) as stream:
        next(iter(stream.text_stream))
    wait_for("the engine to be told", lambda: aborted(network, "anthropic left"), 5)
