"""OpenAI's SDK for Python: batches."""

import json

import openai
import pytest
from rig import MODEL, STUB
from services import wait_for

CLIENT = "openai-python"
BATCHES = "/v1/batches"
CHAT = "/v1/chat/completions"
covers = pytest.mark.covers


@pytest.fixture(scope="module")
def client(network):
    with openai.OpenAI(base_url=network.locked_url + "/v1", api_key=network.key, max_retries=0) as c:
        yield c


def line(custom_id, text, model=MODEL):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 6}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body})


def start(client, *lines, **more):
    file = client.files.create(file=("lines.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h", **more)


def ended(client, batch, *status):
    wait_for(f"{batch.id} to be {status}", lambda: client.batches.retrieve(batch.id).status in status, 60)
    return client.batches.retrieve(batch.id)


@covers(BATCHES, "create, retrieve, output")
def test_a_batch_from_its_making_to_its_output(client):
    made = start(client, line("a", "Say hi."), line("b", "Say bye."), line("c", "Hm.", model="none-such"), metadata={"of": "test"})
    assert made.object == "batch" and made.status == "validating" and made.metadata == {"of": "test"}
    done = ended(client, made, "completed")
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (3, 2, 1)
    answers = [json.loads(text) for text in client.files.content(done.output_file_id).text.splitlines()]
    assert {a["custom_id"] for a in answers} == {"a", "b"}
    assert all(a["response"]["status_code"] == 200 and a["response"]["body"]["choices"][0]["message"]["content"] for a in answers)
    (error,) = [json.loads(text) for text in client.files.content(done.error_file_id).text.splitlines()]
    assert error["custom_id"] == "c" and error["error"]["code"] == "model_not_found"
    for file in (done.input_file_id, done.output_file_id, done.error_file_id):
        assert client.files.delete(file).deleted


@covers(BATCHES, "list, page by page")
def test_all_of_them_page_by_page(client):
    made = [start(client, line("a", "Say hi.")).id for _ in range(3)]
    page = client.batches.list(limit=2)
    assert [b.id for b in page.data] == made[:0:-1] and page.has_next_page()
    assert made == [b.id for b in page if b.id in made][::-1], "the SDK asks for the pages behind it"


@pytest.mark.by_stub
@covers(BATCHES, "cancel")
def test_one_is_cancelled(client):
    made = start(client, line("slow", "a long one [[stub first_ms=20000]]", model=STUB))
    wait_for("it to run", lambda: client.batches.retrieve(made.id).status == "in_progress", 30)
    assert client.batches.cancel(made.id).status == "cancelling"
    done = ended(client, made, "cancelled")
    assert done.request_counts.completed == 0 and done.output_file_id is None
