"""OpenAI's SDK for Python: the Responses API."""

import openai
import pytest
from rig import MODEL, STUB
from services import wait_for

CLIENT = "openai-python"
RESPONSES = "/v1/responses"
covers = pytest.mark.covers


@pytest.fixture(scope="module")
def client(network):
    with openai.OpenAI(base_url=network.url + "/v1", api_key="none", max_retries=0) as c:
        yield c


@covers(RESPONSES, "whole")
def test_whole(client):
    answer = client.responses.create(model=MODEL, instructions="You are kind.", input="Say hi.", max_output_tokens=6)
    assert answer.id.startswith("resp_") and answer.object == "response" and answer.output_text
    assert 0 < answer.usage.output_tokens <= 6
    assert answer.status in ("completed", "incomplete")


@covers(RESPONSES, "stream")
def test_stream(client):
    with client.responses.stream(model=MODEL, input="Say hi.", max_output_tokens=6) as stream:
        events = list(stream)
    assert events[0].type == "response.created" and events[-1].type in ("response.completed", "response.incomplete")
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text and text == events[-1].response.output_text


@covers(RESPONSES, "background", "retrieve")
def test_background(client):
    answer = client.responses.create(model=MODEL, input="Say hi.", max_output_tokens=6, background=True)
    assert answer.status in ("queued", "in_progress")
    wait_for("its end", lambda: client.responses.retrieve(answer.id).status in ("completed", "incomplete"), 60)
    assert client.responses.retrieve(answer.id).output_text


@pytest.mark.by_stub
@covers(RESPONSES, "cancel")
def test_cancel(client):
    answer = client.responses.create(model=STUB, input="long [[stub first_ms=20000]]", background=True)
    assert client.responses.cancel(answer.id).status == "cancelled"


@covers(RESPONSES, "text.format json_schema")
def test_schema(client):
    import pydantic

    class Age(pydantic.BaseModel):
        age: int = pydantic.Field(ge=0, le=120)

    answer = client.responses.parse(model=MODEL, input="How old is Bob?", text_format=Age, max_output_tokens=40)
    assert 0 <= answer.output_parsed.age <= 120


@covers("any", "404 unknown model")
def test_unknown_model(client):
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="none-such", input="Hi.")
