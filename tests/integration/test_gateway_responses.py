"""og-gateway's Responses, as OpenAI's clients use them."""

import json
import sys
import urllib.request
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, serving, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402


@pytest.fixture(scope="module")
def gateway(serving):  # noqa: F811
    serving.start_store()
    return serving.begin()


def respond(gateway, asked, headers=None, **more):
    return gateway.post("/v1/responses", {"model": MODEL, "input": asked, **more}, headers=headers)


def events_of(answer):
    return [json.loads(event) for event in answer.events]


def text_of(events):
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def test_a_whole_response(gateway):
    answer = respond(gateway, stub_text(tokens=3), temperature=0.5, instructions="be brief")
    r = answer.json
    assert answer.status == 200 and r["object"] == "response" and r["status"] == "completed"
    assert r["id"] == "resp_" + answer.headers["og-job"].replace("-", "")
    assert r["output"][0]["content"][0]["text"] == "tok0 tok1 tok2 " and r["usage"]["output_tokens"] == 3
    assert (r["temperature"], r["instructions"], r["model"]) == (0.5, "be brief", MODEL)


def test_what_the_engine_is_asked(gateway, stub):
    items = [
        {"role": "developer", "content": "translated " + stub_text(tokens=1)},
        {"role": "user", "content": [{"type": "input_text", "text": "translated"}]},
    ]
    assert respond(gateway, items, max_output_tokens=7, text={"format": {"type": "json_object"}}).status == 200
    asked = stub.requests("translated")[0]["body"]
    assert asked["messages"][0]["role"] == "system" and asked["messages"][1] == {"role": "user", "content": "translated"}
    assert asked["max_tokens"] == 7 and asked["response_format"] == {"type": "json_object"} and "input" not in asked


def test_a_streamed_response(gateway):
    answer = respond(gateway, stub_text(tokens=3), stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    events = events_of(answer)
    names = [line[7:] for line in answer.body.decode().splitlines() if line.startswith("event: ")]
    assert names == [e["type"] for e in events]
    assert [n for n in names if n != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    numbers = [e["sequence_number"] for e in events]
    assert numbers[0] == 0 and numbers == sorted(set(numbers))
    assert text_of(events) == "tok0 tok1 tok2 " == events[-1]["response"]["output"][0]["content"][0]["text"]
    assert events[-1]["response"]["usage"]["output_tokens"] == 3


def test_refusals(gateway):
    refused = gateway.post("/v1/responses", {"model": MODEL})
    assert refused.status == 400 and refused.json["error"]["param"] == "input"
    refused = respond(gateway, "x", tools=[{"type": "web_search"}])
    assert refused.status == 400 and refused.json["error"]["param"] == "tools"
    for stream in (False, True):
        refused = gateway.post("/v1/responses", {"model": "none-such", "input": "x", "stream": stream})
        assert (refused.status, refused.json["error"]["code"]) == (404, "model_not_found")


def test_the_engine_fails_in_mid_stream(gateway):
    last = events_of(respond(gateway, stub_text(tokens=9, pace_ms=5, fault="error", after=3), stream=True))[-1]
    assert last["type"] == "response.failed" and last["response"]["error"]["code"] in ("engine_failed", "answer_cut")


def wait_response(gateway, response, status, timeout=20):
    def there():
        return gateway.get(f"/v1/responses/{response}").json.get("status") == status

    wait_for(f"{response} to be {status}", there, timeout)
    return gateway.get(f"/v1/responses/{response}").json


def test_what_was_answered_can_be_fetched_from_any_gateway(serving, gateway):
    made = respond(gateway, stub_text(tokens=3), metadata={"a": "b"}).json
    other = serving.gateway("second", "gateway.loopback_without_key=yes")
    got = other.get(f"/v1/responses/{made['id']}").json
    assert got == made and got["metadata"] == {"a": "b"} and got["store"] is True


def test_one_that_is_not_to_be_kept_is_not(gateway):
    made = respond(gateway, stub_text(tokens=1), store=False).json
    assert made["store"] is False and gateway.get(f"/v1/responses/{made['id']}").status == 404


def test_a_conversation_goes_on(gateway, stub):
    first = respond(gateway, "one " + stub_text(tokens=2), instructions="of the first alone").json
    second = respond(gateway, "two " + stub_text(tokens=1), previous_response_id=first["id"]).json
    third = respond(gateway, "three " + stub_text(tokens=1), previous_response_id=second["id"])
    assert third.json["previous_response_id"] == second["id"]
    messages = stub.requests("three")[0]["body"]["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert [m["content"].split()[0] for m in messages] == ["one", "tok0", "two", "tok0", "three"]
    items = gateway.get(f"/v1/responses/{third.json['id']}/input_items?order=asc&limit=3").json
    assert [i["role"] for i in items["data"]] == ["user", "assistant", "user"] and items["has_more"]
    rest = gateway.get(f"/v1/responses/{third.json['id']}/input_items?order=asc&after={items['last_id']}").json
    assert len(rest["data"]) == 2 and not rest["has_more"]
    refused = respond(gateway, "x", previous_response_id="resp_" + "0" * 32)
    assert refused.status == 404


def test_one_that_ends_just_now_is_gone_on_from(gateway, stub):
    """A client has its answer before the cluster has put it away. What is not about to end is a conflict."""
    soon = respond(gateway, "soon " + stub_text(tokens=4, pace_ms=100), background=True).json
    after = respond(gateway, "after " + stub_text(tokens=1), previous_response_id=soon["id"])
    assert after.status == 200, after.body
    messages = stub.requests("after ")[0]["body"]["messages"]
    assert [m["content"].split()[:2] for m in messages[1:]] == [["tok0", "tok1"], ["after", "[[stub"]]
    long = respond(gateway, stub_text(tokens=500, pace_ms=50), background=True).json
    refused = respond(gateway, "x", previous_response_id=long["id"])
    assert (refused.status, refused.json["error"]["code"]) == (409, "conflict"), refused.body
    assert refused.json["error"]["param"] == "previous_response_id"
    assert gateway.get(f"/v1/responses/{long['id']}").json["status"] == "in_progress", "who asked in vain does not end it"
    assert gateway.post(f"/v1/responses/{long['id']}/cancel", {}).status == 200


def test_in_the_background(gateway):
    made = respond(gateway, stub_text(tokens=4, pace_ms=200), background=True)
    assert made.status == 200 and made.json["status"] == "queued" and made.json["background"] is True
    wait_response(gateway, made.json["id"], "in_progress")
    done = wait_response(gateway, made.json["id"], "completed")
    assert done["output"][0]["content"][0]["text"] == "tok0 tok1 tok2 tok3 "


def test_one_in_the_background_is_cancelled(gateway, stub):
    made = respond(gateway, "stopped " + stub_text(tokens=500, pace_ms=50), background=True).json
    wait_response(gateway, made["id"], "in_progress")
    assert gateway.post(f"/v1/responses/{made['id']}/cancel", {}).json["status"] == "cancelled"
    assert wait_response(gateway, made["id"], "cancelled")["output"] == []
    assert stub.requests("stopped")[0]["aborted"]
    whole = respond(gateway, stub_text(tokens=1)).json
    assert gateway.post(f"/v1/responses/{whole['id']}/cancel", {}).status == 400


def test_a_stream_is_gone_on_with_where_it_was_cut(serving, gateway):
    """From another gateway, while it is written and when it is over; the client of the first has gone."""
    text = stub_text(tokens=30, pace_ms=50)
    body = json.dumps({"model": MODEL, "input": text, "background": True, "stream": True}).encode()
    request = urllib.request.Request(gateway.url + "/v1/responses", body, {"content-type": "application/json"})
    seen = []
    with urllib.request.urlopen(request, timeout=20) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]))
            if len([e for e in seen if e["type"].endswith("text.delta")]) == 5:
                break
    response, last = seen[0]["response"]["id"], seen[-1]["sequence_number"]
    other = serving.gateways[-1] if len(serving.gateways) > 1 else serving.gateway("again", "gateway.loopback_without_key=yes")
    for _ in range(2):
        rest = events_of(other.get(f"/v1/responses/{response}?stream=true&starting_after={last}"))
        assert rest[-1]["type"] == "response.completed" and rest[0]["sequence_number"] > last
        whole = rest[-1]["response"]["output"][0]["content"][0]["text"]
        assert text_of(seen) + text_of(rest) == whole == "".join(f"tok{n} " for n in range(30))
    assert events_of(other.get(f"/v1/responses/{response}?stream=true"))[0]["type"] == "response.created"


def test_one_that_failed_says_so(gateway):
    made = respond(gateway, stub_text(status=400, message="no-such-thing"), background=True).json
    failed = wait_response(gateway, made["id"], "failed")
    assert "no-such-thing" in failed["error"]["message"]
    last = events_of(gateway.get(f"/v1/responses/{made['id']}?stream=true"))[-1]
    assert last["type"] == "response.failed" and "no-such-thing" in last["response"]["error"]["message"]


def test_a_removed_one_is_gone(gateway):
    made = respond(gateway, stub_text(tokens=1)).json
    assert gateway.request("DELETE", f"/v1/responses/{made['id']}").json["deleted"] is True
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
        assert gateway.request(method, f"/v1/responses/{made['id']}{path}").status == 404
    assert gateway.get("/v1/responses/resp_x").status == 404


def test_without_the_store_it_says_so_and_recovers(serving, gateway):
    serving.store.kill()
    try:
        wait_for("the gateway to notice", lambda: respond(gateway, stub_text(tokens=1)).status == 503)
        refused = respond(gateway, stub_text(tokens=1))
        assert refused.headers["retry-after"] and refused.json["error"]["code"] == "unavailable"
        assert respond(gateway, stub_text(tokens=1), store=False).status == 200
    finally:
        serving.start_store()
    wait_for("the store to be reached", lambda: respond(gateway, stub_text(tokens=1)).status == 200)
