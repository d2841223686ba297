"""OpenAI's SDK for Python: files."""

import openai
import pytest

CLIENT = "openai-python"
covers = pytest.mark.covers
FILES = "/v1/files"
LINE = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}\n'


@pytest.fixture(scope="module")
def client(network):
    with openai.OpenAI(base_url=network.locked_url + "/v1", api_key=network.key, max_retries=0) as c:
        yield c


@covers(FILES, "create, retrieve, content, delete")
def test_a_file_from_its_making_to_its_end(client):
    made = client.files.create(file=("lines.jsonl", LINE), purpose="batch")
    assert made.object == "file" and (made.filename, made.bytes, made.purpose) == ("lines.jsonl", len(LINE), "batch")
    assert client.files.retrieve(made.id).bytes == len(LINE)
    assert made.id in {f.id for f in client.files.list()}
    assert client.files.content(made.id).content == LINE
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


@covers(FILES, "list, page by page")
def test_all_of_them_page_by_page(client):
    made = [client.files.create(file=(f"{n}.jsonl", LINE), purpose="user_data").id for n in range(5)]
    page = client.files.list(purpose="user_data", limit=2)
    assert [f.id for f in page.data] == made[:2:-1] and page.has_next_page()
    assert [f.id for f in page] == made[::-1], "the SDK asks for the pages behind it"
    assert [f.id for f in client.files.list(purpose="user_data", order="asc")] == made
    for file in made:
        client.files.delete(file)
    assert not list(client.files.list(purpose="user_data"))


@covers(FILES, "expires_after")
def test_one_that_goes_by_itself(client):
    made = client.files.create(file=("x.jsonl", LINE), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600})
    assert made.expires_at == made.created_at + 3600
    assert client.files.retrieve(made.id).expires_at == made.expires_at
