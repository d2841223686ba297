"""OpenAI's SDK for Python, as it is."""

import json
import threading

import openai
import pytest
from rig import MODEL, NOBODYS, STUB
from services import wait_for

CLIENT = "openai-python"
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
covers, by_stub = pytest.mark.covers, pytest.mark.by_stub
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def client(network):
    with openai.OpenAI(base_url=network.url + "/v1", api_key="none", max_retries=0) as c:
        yield c


def says(text):
    return [{"role": "user", "content": text}]


def ask(client, text="Say hi.", model=MODEL, **more):
    return client.chat.completions.create(model=model, messages=says(text), **more)


def joined(stream, index=0):
    return "".join(c.delta.content or "" for chunk in stream for c in chunk.choices if c.index == index)


@covers(CHAT, "whole", "system_fingerprint", "max_tokens")
def test_whole(client):
    answer = ask(client, max_tokens=8)
    assert answer.object == "chat.completion" and answer.model == MODEL and answer.system_fingerprint
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.message.content and choice.finish_reason in ("stop", "length")
    assert 0 < answer.usage.completion_tokens <= 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@covers(CHAT, "stream")
def test_stream(client):
    chunks = list(ask(client, max_tokens=8, stream=True))
    assert joined(chunks) and chunks[0].object == "chat.completion.chunk" and len({c.id for c in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
    assert all(c.usage is None and c.choices for c in chunks)


@covers(CHAT, "stream_options.include_usage")
def test_stream_usage(client):
    *chunks, last = ask(client, max_tokens=8, stream=True, stream_options={"include_usage": True})
    assert last.choices == [] and 0 < last.usage.completion_tokens <= 8
    assert not any(c.usage for c in chunks)


@covers(CHAT, "system and history")
def test_history(client):
    messages = [
        {"role": "system", "content": "You are a parrot."},
        {"role": "user", "content": "My name is Bob."},
        {"role": "assistant", "content": "Hello Bob!"},
        {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=16, temperature=0)
    assert "Bob" in answer.choices[0].message.content


@covers(CHAT, "max_completion_tokens")
@pytest.mark.parametrize("stream", [False, True])
def test_max_completion_tokens(client, stream):
    answer = ask(client, "Tell me a long story.", max_completion_tokens=5, stream=stream)
    choice = [c for c in answer if c.choices][-1].choices[0] if stream else answer.choices[0]
    assert choice.finish_reason == "length"
    assert stream or answer.usage.completion_tokens == 5


@covers(CHAT, "temperature, top_p", "seed")
def test_the_same_seed_is_the_same_answer(client):
    def story(seed):
        return (
            ask(client, "Tell me a story.", max_tokens=8, seed=seed, temperature=1.5, top_p=0.95)
            .choices[0]
            .message.content
        )

    assert story(7) == story(7)
    assert len({story(seed) for seed in range(3)}) > 1


@covers(CHAT, "temperature, top_p")
def test_without_temperature_it_is_always_the_same(client):
    assert (
        len({ask(client, "Tell me a story.", max_tokens=8, temperature=0).choices[0].message.content for _ in range(2)})
        == 1
    )


@covers(CHAT, "stop")
def test_stop(client):
    answer = ask(client, "Count from 1 to 9.", max_tokens=32, temperature=0, stop=["3", "x"])
    assert answer.choices[0].finish_reason == "stop" and "3" not in answer.choices[0].message.content


@covers(CHAT, "n")
def test_n(client):
    answer = ask(client, "Tell me a story.", max_tokens=8, n=2, temperature=1.5)
    assert [c.index for c in answer.choices] == [0, 1] and all(c.message.content for c in answer.choices)


@covers(CHAT, "n, streamed")
def test_n_streamed(client):
    chunks = list(ask(client, "Tell me a story.", max_tokens=8, n=2, stream=True))
    assert joined(chunks, 0) and joined(chunks, 1)
    assert sorted(c.index for chunk in chunks for c in chunk.choices if c.finish_reason) == [0, 1]


@covers(CHAT, "logprobs, top_logprobs")
@pytest.mark.parametrize("stream", [False, True])
def test_logprobs(client, stream):
    answer = ask(client, "What is the capital of France?", max_tokens=4, logprobs=True, top_logprobs=2, stream=stream)
    choices = [c for chunk in answer for c in chunk.choices] if stream else answer.choices
    tokens = [t for c in choices if c.logprobs for t in c.logprobs.content]
    assert len(tokens) >= 3 and all(t.logprob <= 0 and len(t.top_logprobs) == 2 and t.token for t in tokens)


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


@covers(CHAT, "response_format json_schema")
@pytest.mark.parametrize("stream", [False, True])
def test_json_schema(client, stream):
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}
    answer = ask(client, "Invent a person.", max_tokens=60, response_format=form, stream=stream)
    person = json.loads(joined(answer) if stream else answer.choices[0].message.content)
    assert set(person) == {"name", "age"} and isinstance(person["age"], int)


@covers(CHAT, "response_format json_schema")
def test_parsed_into_a_class(client):
    import pydantic

    class Person(pydantic.BaseModel):
        name: str = pydantic.Field(max_length=20)
        age: int = pydantic.Field(ge=0, le=120)

    answer = client.chat.completions.parse(
        model=MODEL, messages=says("Invent a person."), max_tokens=60, response_format=Person
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


@covers(CHAT, "response_format json_object")
def test_json_object(client):
    answer = ask(
        client,
        "Say hello as JSON with the key a.",
        max_tokens=40,
        temperature=0,
        response_format={"type": "json_object"},
    )
    assert answer.choices[0].finish_reason == "length" or isinstance(
        json.loads(answer.choices[0].message.content), dict
    )


def called(message):
    return [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]


# The small model's template knows no tools: it is told of none, and calls none.


@by_stub
@covers(CHAT, "tools", "tool_choice")
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_tools(client, network, choice):
    text = f"weather {choice} [[stub call=get_weather]]"
    answer = ask(client, text, STUB, tools=[WEATHER], tool_choice=choice, parallel_tool_calls=False)
    assert called(answer.choices[0].message) == [("get_weather", {"city": "Paris"})]
    assert answer.choices[0].finish_reason == "tool_calls" and answer.choices[0].message.tool_calls[0].id
    got = sent(network, f"weather {choice}")
    assert (got["tools"], got["tool_choice"], got["parallel_tool_calls"]) == ([WEATHER], choice, False)


@by_stub
@covers(CHAT, "tools, streamed")
def test_tools_streamed(client):
    text = "weather [[stub call=get_weather]]"
    with client.chat.completions.stream(model=STUB, messages=says(text), tools=[WEATHER]) as stream:
        answer = stream.get_final_completion()
    assert called(answer.choices[0].message) == [("get_weather", {"city": "Paris"})]


@covers(CHAT, "tool_choice")
def test_no_tools(client):
    answer = ask(client, "Say hi.", max_tokens=8, tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.content and not answer.choices[0].message.tool_calls


@covers(CHAT, "tool results")
def test_tool_results(client):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    messages = [
        *says("What is the weather in Paris?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "It is raining in Paris."},
    ]
    answer = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[WEATHER], max_tokens=8, temperature=0
    )
    assert answer.choices[0].message.content


def sent(network, having):
    """The request as the stub engine got it."""
    (request,) = network.stub.requests(having)
    return request["body"]


@by_stub
@covers(CHAT, "images")
def test_images_reach_the_engine(client, network):
    content = [
        {"type": "text", "text": "what is this picture"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    client.chat.completions.create(model=STUB, messages=[{"role": "user", "content": content}])
    assert sent(network, "what is this picture")["messages"][0]["content"] == content


@by_stub
@covers(CHAT, "user, metadata, unknown parameters")
def test_whatever_a_request_holds_reaches_the_engine(client, network):
    more = {
        "user": "u1",
        "metadata": {"a": "b"},
        "presence_penalty": 0.5,
        "logit_bias": {"5": -3},
        "store": False,
        "n": 1,
    }
    own = {"min_p": 0.05, "chat_template_kwargs": {"enable_thinking": False}}
    ask(client, "everything at once", STUB, **more, extra_body=own)
    got = sent(network, "everything at once")
    assert {k: got[k] for k in (*more, *own)} == {**more, **own}


@covers(CHAT, "user, metadata, unknown parameters")
def test_the_engine_does_not_mind_them(client):
    assert (
        ask(client, max_tokens=4, user="u1", metadata={"a": "b"}, store=False, extra_body={"min_p": 0.05})
        .choices[0]
        .message.content
    )


@covers(COMPLETIONS, "whole")
def test_completions(client):
    answer = client.completions.create(model=MODEL, prompt="The capital of France is", max_tokens=6, temperature=0)
    assert answer.object == "text_completion" and answer.choices[0].text and answer.usage.completion_tokens <= 6


@covers(COMPLETIONS, "stream")
def test_completions_streamed(client):
    chunks = list(client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=6, stream=True))
    assert "".join(c.choices[0].text for c in chunks) and chunks[-1].choices[0].finish_reason


@covers(COMPLETIONS, "several prompts")
def test_several_prompts(client):
    answer = client.completions.create(
        model=MODEL, prompt=["Once upon a time", "The capital of France is"], max_tokens=6
    )
    assert [c.index for c in answer.choices] == [0, 1] and all(c.text for c in answer.choices)


@covers(COMPLETIONS, "logprobs")
def test_completions_logprobs(client):
    answer = client.completions.create(model=MODEL, prompt="The capital of France is", max_tokens=4, logprobs=2)
    assert answer.choices[0].logprobs


@by_stub
@covers(COMPLETIONS, "echo, suffix, unknown parameters")
def test_completions_pass_all_on(client, network):
    more = {"echo": True, "suffix": "end", "best_of": 1, "user": "u1"}
    client.completions.create(model=STUB, prompt="all of a completion", **more, extra_body={"min_p": 0.05})
    got = sent(network, "all of a completion")
    assert {k: got[k] for k in (*more, "min_p")} == {**more, "min_p": 0.05}


@covers("/v1/models", "list", "retrieve")
def test_models(client):
    models = {m.id: m for m in client.models.list()}
    assert {MODEL, "smol", STUB} <= set(models) and models[MODEL].object == "model" and models[MODEL].created
    assert client.models.retrieve("smol").id == "smol"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none-such")


@covers("any", "404 unknown model")
@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model(client, stream):
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client, model="none-such", stream=stream)
    assert refused.value.code == "model_not_found" and "none-such" in refused.value.message


@covers("any", "400")
def test_bad_requests(client):
    for more, words in (({"max_tokens": "many"}, "max_tokens"), ({"temperature": [1]}, "temperature")):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(client, extra_body=more)
        assert words in refused.value.message and refused.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=[])


@covers("any", "401")
def test_without_a_key(network):
    with pytest.raises(openai.AuthenticationError) as refused:
        openai.OpenAI(base_url=network.locked_url + "/v1", api_key="og-wrong", max_retries=0).models.list()
    assert refused.value.code == "invalid_api_key"
    assert openai.OpenAI(base_url=network.locked_url + "/v1", api_key=network.key).models.list().data


@covers("any", "503 with retry-after")
def test_nobody_serves_it(client):
    with pytest.raises(openai.InternalServerError) as refused:
        ask(client, model=NOBODYS)
    assert (refused.value.status_code, refused.value.code) == (503, "no_capacity")
    assert int(refused.value.response.headers["retry-after"]) > 0


@by_stub
@covers("any", "429 with retry-after")
def test_above_a_limit(network):
    key = network.new_key("slow", "--requests-per-minute", "1")
    limited = openai.OpenAI(base_url=network.locked_url + "/v1", api_key=key, max_retries=0)
    assert ask(limited, model=STUB).choices
    with pytest.raises(openai.RateLimitError) as refused:
        ask(limited, model=STUB)
    assert refused.value.code == "rate_limit_exceeded" and 0 < int(refused.value.response.headers["retry-after"]) <= 60


@by_stub
@covers("any", "error in mid-stream")
def test_an_error_in_mid_stream_is_raised(client):
    """The next attempt would say it all anew: who has read half of it is told."""
    with pytest.raises(openai.APIError) as broken:
        list(ask(client, "breaks [[stub tokens=9 pace_ms=20 fault=cut after=5]]", STUB, stream=True))
    assert broken.value.code == "answer_cut"


@covers("any", "request id")
def test_request_ids(client):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=says("Say hi."), max_tokens=2)
    assert raw.headers["x-request-id"] == raw.headers["og-job"] == raw.parse()._request_id
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client, model="none-such")
    assert refused.value.request_id


@by_stub
@covers("any", "idempotency key")
def test_an_idempotency_key_runs_once(client, network):
    header = {"idempotency-key": "conformance-1"}
    answers = [ask(client, "only once", STUB, extra_headers=header) for _ in range(2)]
    assert answers[0].id == answers[1].id and len(network.stub.requests("only once")) == 1


def aborted(network, having):
    requests = network.stub.requests(having)
    return bool(requests) and requests[0]["aborted"]


@by_stub
@covers("any", "client time-out")
def test_a_client_that_gives_up_stops_its_job(client, network):
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.5), "given up [[stub first_ms=20000]]", STUB)
    wait_for("the engine to be told", lambda: aborted(network, "given up"), 5)


@by_stub
@covers("any", "client leaves in mid-stream")
def test_a_client_that_leaves_stops_its_job(client, network):
    stream = ask(client, "left [[stub tokens=500 pace_ms=20]]", STUB, stream=True)
    assert next(iter(stream)).choices
    stream.close()
    wait_for("the engine to be told", lambda: aborted(network, "left [["), 5)


@covers("any", "many at a time")
def test_many_at_a_time(client):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(client, max_tokens=4))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(answers) == 8 and all(a.choices[0].message.content for a in answers)
