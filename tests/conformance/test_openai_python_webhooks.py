"""OpenAI's SDK for Python: what a webhook brings is unwrapped by it."""

import openai
import pytest
from receiver import Receiver
from rig import MODEL, STUB
from services import wait_for

CLIENT = "openai-python"
WEBHOOKS = "webhooks"
covers = pytest.mark.covers


@pytest.fixture(scope="module")
def client(network):
    with openai.OpenAI(base_url=network.url + "/v1", api_key="none", max_retries=0) as c:
        yield c


@pytest.fixture
def hook(network):
    """Where it comes, and its secret."""
    receiver = Receiver()
    made = network.request("POST", "/api/v1/webhooks", {"url": receiver.url("/hook")})
    yield receiver, made["secret"]
    network.request("DELETE", f"/api/v1/webhooks/{made['id']}")
    receiver.stop()


def unwrapped(client, hook, n=1):
    receiver, secret = hook
    wait_for("it to come", lambda: len(receiver.at("/hook")) >= n, 60)
    delivery = receiver.at("/hook")[n - 1]
    return client.webhooks.unwrap(delivery.body, delivery.headers, secret=secret)


@covers(WEBHOOKS, "unwrap response.completed")
def test_a_background_response_that_has_ended(client, hook):
    answer = client.responses.create(model=MODEL, input="Say hi.", background=True)
    event = unwrapped(client, hook)
    assert event.object == "event" and event.type in ("response.completed", "response.incomplete") and event.data.id == answer.id
    assert client.responses.retrieve(event.data.id).output_text


@pytest.mark.by_stub
@covers(WEBHOOKS, "unwrap response.cancelled")
def test_one_that_was_cancelled(client, hook):
    answer = client.responses.create(model=STUB, input="long [[stub first_ms=20000]]", background=True)
    client.responses.cancel(answer.id)
    event = unwrapped(client, hook)
    assert event.type == "response.cancelled" and event.data.id == answer.id


@pytest.mark.by_stub
@covers(WEBHOOKS, "unwrap batch.completed")
def test_a_batch_that_has_ended(client, hook):
    line = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"%s","messages":[{"role":"user","content":"hi"}]}}\n'
    file = client.files.create(file=("lines.jsonl", (line % STUB).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    event = unwrapped(client, hook)
    assert event.type == "batch.completed" and event.data.id == batch.id


@covers(WEBHOOKS, "a forged one is refused")
def test_a_forged_one_is_refused(client, hook):
    client.responses.create(model=MODEL, input="Say hi.", background=True)
    unwrapped(client, hook)
    receiver, secret = hook
    delivery = receiver.at("/hook")[0]
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(delivery.body + b" ", delivery.headers, secret=secret)
