"""LangChain's ChatOpenAI and OpenAIEmbeddings, pointed at the gateway."""

import pydantic
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from rig import MODEL, STUB

CLIENT = "langchain"
CHAT = "/v1/chat/completions"
covers = pytest.mark.covers


@pytest.fixture(scope="module")
def make(network):
    def chat(model=MODEL, **more):
        return ChatOpenAI(base_url=network.url + "/v1", api_key="none", model=model, max_retries=0, **more)

    return chat


@covers(CHAT, "whole", "max_completion_tokens", "system and history")
def test_whole(make):
    answer = make(max_tokens=6).invoke([("system", "You are kind."), ("human", "Say hi.")])
    assert answer.content and answer.usage_metadata["output_tokens"] <= 6
    assert answer.response_metadata["model_name"] == MODEL


@covers(CHAT, "stream", "stream_options.include_usage")
def test_stream(make):
    chunks = list(make(max_tokens=6, stream_usage=True).stream("Say hi."))
    assert "".join(c.content for c in chunks)
    assert sum(c.usage_metadata["output_tokens"] for c in chunks if c.usage_metadata) > 0


@covers(CHAT, "response_format json_schema")
def test_structured_output(make):
    class Age(pydantic.BaseModel):
        age: int = pydantic.Field(ge=0, le=120)

    answer = make(max_tokens=40).with_structured_output(Age, method="json_schema").invoke("How old is Bob?")
    assert 0 <= answer.age <= 120


@covers(CHAT, "stop", "seed", "temperature, top_p")
def test_parameters(make):
    answer = make(max_tokens=24, temperature=0, seed=1, stop_sequences=["3"]).invoke("Count from 1 to 9.")
    assert "3" not in answer.content


@pytest.mark.by_stub
@covers(CHAT, "tools", "tools, streamed")
def test_tools(make):
    def get_weather(city: str):
        """The weather in a city."""

    chat = make(STUB).bind_tools([get_weather])
    wanted = [{"name": "get_weather", "args": {"city": "Paris"}, "id": "call_0", "type": "tool_call"}]
    assert chat.invoke("weather [[stub call=get_weather]]").tool_calls == wanted
    first, *others = chat.stream("weather [[stub call=get_weather]]")
    for other in others:
        first += other
    assert first.tool_calls == wanted


@covers("/v1/embeddings", "one text", "several texts")
def test_embeddings(network):
    # Else it counts tokens with a table that it fetches from the internet.
    how = {"check_embedding_ctx_length": False, "api_key": "none"}
    embeddings = OpenAIEmbeddings(base_url=network.url + "/v1", model=MODEL, **how)
    assert len(embeddings.embed_query("A cat sits.")) == 576
    assert [len(v) for v in embeddings.embed_documents(["A cat sits.", "Stocks fell."])] == [576, 576]


@covers("any", "many at a time")
def test_batch(make):
    assert all(a.content for a in make(max_tokens=4).batch(["Say hi.", "Say no.", "Say yes."]))
