"""OpenAI's SDK for Python: embeddings. It asks for base64 where nobody says otherwise."""

import math

import openai
import pytest
from rig import MODEL, STUB

CLIENT = "openai-python"
EMBEDDINGS = "/v1/embeddings"
covers = pytest.mark.covers


@pytest.fixture(scope="module")
def client(network):
    with openai.OpenAI(base_url=network.url + "/v1", api_key="none", max_retries=0) as c:
        yield c


def embed(client, texts, model=MODEL, **more):
    return [d.embedding for d in client.embeddings.create(model=model, input=texts, **more).data]


@covers(EMBEDDINGS, "one text", "encoding_format base64")
def test_one_text(client):
    answer = client.embeddings.create(model=MODEL, input="The cat sat on the mat.", encoding_format="float")
    (vector,) = [d.embedding for d in answer.data]
    assert answer.object == "list" and answer.usage.prompt_tokens > 0
    assert len(vector) == 576 and math.isclose(math.hypot(*vector), 1, rel_tol=1e-3)
    (packed,) = embed(client, "The cat sat on the mat.")
    assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(vector, packed, strict=True))
    raw = client.embeddings.with_raw_response.create(model=MODEL, input="x", encoding_format="base64")
    assert isinstance(raw.http_response.json()["data"][0]["embedding"], str)


@covers(EMBEDDINGS, "several texts")
def test_several_texts(client):
    answer = client.embeddings.create(model=MODEL, input=["A cat sits.", "Stocks fell.", "A cat sits."])
    assert [d.index for d in answer.data] == [0, 1, 2]
    a, b, same = (d.embedding for d in answer.data)
    assert dot(a, same) > 0.999 > dot(a, b)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


@covers(EMBEDDINGS, "tokens")
def test_tokens(client):
    assert len(embed(client, [1, 2, 3])) == 1 and len(embed(client, [[1, 2], [3]])) == 2


@pytest.mark.by_stub
@covers(EMBEDDINGS, "dimensions", "unknown parameters")
def test_dimensions_are_the_engines(client, network):
    assert len(embed(client, "dim", STUB, dimensions=4, user="u1")[0]) == 4
    (request,) = network.stub.requests("dim")
    assert request["body"]["dimensions"] == 4 and request["body"]["user"] == "u1"


@covers("any", "400")
def test_refusals(client):
    for more in ({"input": ""}, {"input": []}, {"input": "x", "encoding_format": "int8"}):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=MODEL, **more)
    with pytest.raises(openai.BadRequestError) as refused:
        embed(client, "x", dimensions=7)
    assert "dimensions" in refused.value.message
