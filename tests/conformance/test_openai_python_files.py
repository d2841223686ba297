"""OpenAI's SDK for Python: files."""

import openai
import pytest

CLIENT = "openai-python"
covers = pytest.mark.covers
LINE = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}\n'


@pytest.fixture(scope="module")
def client(network):
    with openai.OpenAI(base_url=network.locked_url + "/v1", api_key=network.key, max_retries=0) as c:
        yield c


@covers("/v1/files", "create, retrieve, content, delete")
def test_a_file_from_its_making_to_its_end(client):
    made = client.files.create(file=("lines.jsonl", LINE), purpose="batch")
    assert made.object == "file" and (made.filename, made.bytes, made.purpose) == ("lines.jsonl", len(LINE), "batch")
    assert client.files.retrieve(made.id).bytes == len(LINE)
    assert made.id in {f.id for f in client.files.list()}
    assert client.files.content(made.id).content == LINE
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
