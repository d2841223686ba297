"""A key that is revoked, or expires, while something goes on under it: at another gateway, in each protocol's own words."""

import json
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, ask, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402
from test_gateway_batches import line, lines_of, start, wait_batch  # noqa: E402
from test_gateway_keys import rig  # noqa: E402, F401

BOUND_S = 5  # docs/GATEWAY.md
LONG = stub_text(tokens=600, pace_ms=100)  # a minute


@pytest.fixture(scope="module")
def two(rig):  # noqa: F811
    return rig.gateway("two", key=rig.first)


def make(rig, name, **more):  # noqa: F811
    made = rig.one.control("keys_create", name=name, **more)
    assert "secret" in made, made
    return made


class Stream:
    """What comes, line by line, until it ends."""

    def __init__(self, gateway, method, path, body, secret):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {secret}"}
        self.answer = urllib.request.urlopen(urllib.request.Request(gateway.url + path, data, headers, method=method), timeout=60)
        self.job = self.answer.headers["og-job"]
        self.lines, self.ended_at = [], None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        self.lines.extend(self.answer)
        self.ended_at = time.monotonic()

    def last(self):
        """The last event, as (name, JSON); its name is "" where the protocol gives none."""
        self.reader.join(30)
        assert self.ended_at, "it did not end"
        *_, text = [text for text in self.lines if text.strip()]
        before = self.lines[self.lines.index(text) - 1]
        name = before[7:].strip().decode() if before.startswith(b"event: ") else ""
        return name, json.loads(text.removeprefix(b"data: "))


def openai(event):
    name, said = event
    assert name == "" and said["error"]["type"] == "authentication_error" and said["error"]["code"] == "invalid_api_key", event
    return said["error"]["message"]


def ollama(event):
    assert event[0] == "" and list(event[1]) == ["error"], event
    return event[1]["error"]


def anthropic(event):
    name, said = event
    assert name == said["type"] == "error" and said["error"]["type"] == "authentication_error", event
    return said["error"]["message"]


def responses(event):
    name, said = event
    assert name == said["type"] == "response.failed" and said["response"]["error"]["code"] == "invalid_api_key", event
    return said["response"]["error"]["message"]


STREAMS = {
    "openai": ("/v1/chat/completions", {"stream": True}, openai),
    "ollama": ("/api/chat", {}, ollama),
    "anthropic": ("/v1/messages", {"stream": True, "max_tokens": 600}, anthropic),
    "responses": ("/v1/responses", {"stream": True}, responses),
}


@pytest.mark.parametrize("protocol", STREAMS)
def test_a_stream_ends_with_a_typed_error_and_its_job_with_it(rig, two, stub, protocol):  # noqa: F811
    path, more, words = STREAMS[protocol]
    key = make(rig, f"stream-{protocol}")
    text = f"revoked-{protocol} {LONG}"
    body = {"model": MODEL, "input": text, **more} if protocol == "responses" else ask(text, **more)
    stream = Stream(two, "POST", path, body, key["secret"])
    wait_for("it to be written", lambda: len(stream.lines) > 4)
    assert rig.one.control("keys_revoke", id=key["id"]) == {"id": key["id"]}
    revoked_at = time.monotonic()
    assert "this API key was revoked" in words(stream.last())
    assert stream.ended_at - revoked_at < BOUND_S
    wait_for("the engine to be free", lambda: all(r["aborted"] for r in stub.requests(f"revoked-{protocol}")))
    wait_for("its job to be cancelled", lambda: rig.one.get(f"/api/v1/jobs/{stream.job}").json["state"] == "cancelled")


def test_a_whole_answer_that_is_waited_for_is_refused(rig, two, stub):  # noqa: F811
    key = make(rig, "whole", expires_ms=int(time.time() * 1000) + 3000)
    refused = two.chat(f"expires {LONG}", headers={"authorization": f"Bearer {key['secret']}"})
    assert (refused.status, refused.json["error"]["code"]) == (401, "invalid_api_key"), refused.body
    assert "this API key expired at" in refused.json["error"]["message"]
    wait_for("the engine to be free", lambda: all(r["aborted"] for r in stub.requests("expires ")))


def test_another_key_of_the_tenant_is_left_alone(rig, two):  # noqa: F811
    one, other = make(rig, "goes", tenant="pair"), make(rig, "stays", tenant="pair")
    stream = Stream(two, "POST", "/v1/chat/completions", ask(LONG, stream=True), one["secret"])
    kept = Stream(two, "POST", "/v1/chat/completions", ask(stub_text(tokens=60, pace_ms=100), stream=True), other["secret"])
    wait_for("both to be written", lambda: len(stream.lines) > 4 and len(kept.lines) > 4)
    rig.one.control("keys_revoke", id=one["id"])
    openai(stream.last())
    kept.reader.join(30)
    assert kept.lines[-2] == b"data: [DONE]\n"


def test_jobs_that_nobody_waits_for_and_who_follows_them(rig, two, stub):  # noqa: F811
    """A job of /api/v1 ends with its key, a stream of its events and who waits for its result likewise."""
    key = make(rig, "jobs")
    headers = {"authorization": f"Bearer {key['secret']}"}
    made = two.post("/api/v1/jobs", ask(f"detached {LONG}"), headers=headers)
    assert made.status == 202, made.body
    job = made.json["id"]
    events = Stream(two, "GET", f"/api/v1/jobs/{job}/events", None, key["secret"])
    waits = []
    waiter = threading.Thread(target=lambda: waits.append(two.get(f"/api/v1/jobs/{job}/result?wait=60s", headers=headers)), daemon=True)
    waiter.start()
    wait_for("it to be written", lambda: len(events.lines) > 4)
    rig.one.control("keys_revoke", id=key["id"])
    name, said = events.last()
    assert name == "error" and said["error"]["type"] == "invalid_api_key", (name, said)
    waiter.join(30)
    assert waits[0].status == 401 and waits[0].json["error"]["type"] == "invalid_api_key"
    wait_for("the job to be cancelled", lambda: rig.one.get(f"/api/v1/jobs/{job}").json["state"] == "cancelled")
    wait_for("the engine to be free", lambda: all(r["aborted"] for r in stub.requests("detached ")))


def test_a_response_in_the_background_ends(rig, two):  # noqa: F811
    key = make(rig, "background")
    headers = {"authorization": f"Bearer {key['secret']}"}
    made = two.post("/v1/responses", {"model": MODEL, "input": LONG, "background": True}, headers=headers)
    assert made.status == 200, made.body
    rig.one.control("keys_revoke", id=key["id"])
    wait_for("it to be cancelled", lambda: rig.one.get(f"/v1/responses/{made.json['id']}").json["status"] == "cancelled")


def test_a_batch_fails_with_what_it_has(rig, two, stub):  # noqa: F811
    key = make(rig, "batch")
    two.key, before = key["secret"], two.key
    try:
        lines = [line("fast", ask("b-fast " + stub_text(tokens=1)))] + [line(f"slow-{n}", ask(f"b-slow {LONG}")) for n in range(20)]
        made = start(two, lines)
        wait_for("the first to be done", lambda: two.get(f"/v1/batches/{made['id']}").json["request_counts"]["completed"] == 1, 30)
    finally:
        two.key = before
    rig.one.control("keys_revoke", id=key["id"])
    done = wait_batch(rig.one, made, "failed")
    (error,) = done["errors"]["data"]
    assert error["code"] == "invalid_api_key" and "this API key was revoked" in error["message"], done
    assert [a["custom_id"] for a in lines_of(rig.one, done["output_file_id"])] == ["fast"]
    wait_for("the engine to be free", lambda: all(r["aborted"] for r in stub.requests("b-slow")))
