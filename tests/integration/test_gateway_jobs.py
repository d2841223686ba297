"""/api/v1/jobs: submitting, looking, waiting, events that go on from any gateway, and who may see what."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, ask, gateway, serving, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402

JOBS = "/api/v1/jobs"


class Events:
    """A stream of server-sent events, read in a thread of its own."""

    def __init__(self, gateway, path, method="GET", body=None, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        data = None if body is None else json.dumps(body)
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        self.connection.request(method, path, data, {"content-type": "application/json", **sent})
        self.answer = self.connection.getresponse()
        self.socket = self.connection.sock or self.answer.fp.raw._sock
        self.status, self.all, self.ended = self.answer.status, [], threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        event = {}
        try:
            for line in self.answer:
                line = line.decode().rstrip("\n")
                if not line and event:
                    self.all.append(event)
                    event = {}
                elif line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    event[name] = value
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended.set()

    def cut(self):
        """As a client whose line breaks."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.ended.wait(10)
        self.connection.close()

    def named(self, name):
        return [json.loads(e["data"]) for e in self.all if e.get("event") == name]

    @property
    def chunks(self):
        return [e for e in self.all if "event" not in e and e["data"] != "[DONE]"]

    @property
    def ids(self):
        return [e["id"] for e in self.chunks if "id" in e]

    def until(self, n):
        wait_for(f"{n} chunks of {len(self.chunks)}", lambda: len(self.chunks) >= n or self.ended.is_set(), 20)
        return self

    def wait(self):
        assert self.ended.wait(60), self.all
        return self


def submit(gateway, text, headers=None, **members):
    answer = gateway.post(JOBS, {"request": ask(text), **members} if members else ask(text), headers=headers)
    assert answer.status == 202, answer.body
    return answer.json["id"]


def text_of(result):
    return result["response"]["choices"][0]["message"]["content"]


def result(gateway, job, wait="20s"):
    return gateway.get(f"{JOBS}/{job}/result?wait={wait}")


def test_a_job_is_submitted_looked_at_and_answered(gateway):
    answer = gateway.post(JOBS, ask(stub_text(tokens=3)))
    job = answer.json
    assert answer.status == 202 and job["state"] in ("placed", "queued", "done") and answer.headers["location"] == job["links"]["self"]
    end = gateway.get(job["links"]["result"] + "?wait=20s")
    assert end.status == 200 and end.json["state"] == "done" and text_of(end.json["result"]) == "tok0 tok1 tok2 "
    wait_for("its record", lambda: gateway.get(job["links"]["self"]).json["state"] == "done")
    shown = gateway.get(job["links"]["self"]).json
    assert shown["tier"] == MODEL and [e["what"] for e in shown["history"]][0] == "accepted" and "reply" not in shown
    assert gateway.get(job["links"]["result"]).json == end.json


def test_members_and_headers_say_the_same(gateway):
    text = stub_text(tokens=1)
    jobs = [submit(gateway, text, **{"class": "batch", "deadline": "90s", "model": "smol"})]
    jobs.append(submit(gateway, text, headers={"og-class": "batch", "og-deadline": "90s"}))
    for job in jobs:
        assert result(gateway, job).json["state"] == "done"
        wait_for("its record", lambda: gateway.get(f"{JOBS}/{job}").json.get("class"))  # noqa: B023
        shown = gateway.get(f"{JOBS}/{job}").json
        assert shown["class"] == "batch" and 0 < shown["deadline_ms"] - shown["accepted_ms"] <= 91_000
    keyed = [submit(gateway, stub_text(tokens=1), idempotency_key="one") for _ in range(3)]
    assert len(set(keyed)) == 1


def test_what_is_wrong_is_refused_in_our_shape(gateway):
    fine = {"messages": [{"role": "user", "content": "x"}]}
    for body, word in [
        (b"{", "JSON"),
        ({}, "messages"),
        ({"request": 7}, "request"),
        ({"request": {}}, "messages"),
        ({"request": fine, "class": "royal"}, "royal"),
        ({"request": fine, "class": 7}, "class"),
        ({"request": fine, "deadline": "soon"}, "soon"),
        ({"request": fine, "detach": "yes"}, "detach"),
        ({"request": fine, "tier": "x" * 300}, "tier"),
        ({**fine, "model": ""}, "model"),
    ]:
        refused = gateway.post(JOBS, body)
        assert refused.status == 400 and word in refused.json["error"]["message"], (body, refused.body)
    refused = gateway.post(JOBS, ask("x", model="none-such"))
    assert (refused.status, refused.json["error"]["type"]) == (404, "model_not_found")
    none = str(uuid.uuid4())
    for path in (f"{JOBS}/{none}", f"{JOBS}/{none}/result?wait=1s", f"{JOBS}/{none}/events", f"{JOBS}/Nonsense", "/api/v1/none"):
        assert gateway.get(path).json["error"]["type"] == "not_found", path
    for query in ("limit=0", "limit=x", "state=gone", "class=royal", "tier=none", "since_ms=-1", "after=7", "after=7.x"):
        assert gateway.get(f"{JOBS}?{query}").status == 400, query
    assert gateway.get(f"{JOBS}/{none}/result?wait=1h").status == 400
    assert gateway.request("PUT", JOBS, {}).json["error"]["type"] == "method_not_allowed"


def test_a_job_that_fails_before_it_was_answered_was_taken_up(gateway, stub):
    """Its end may come before the word that it was placed."""
    for _ in range(20):
        end = result(gateway, submit(gateway, stub_text(status=400)))
        assert (end.status, end.json["state"]) == (200, "failed")


def test_a_job_that_fails_says_so_and_one_that_runs_too(gateway, stub):
    job = submit(gateway, stub_text(status=400, message="no-such-thing"))
    end = result(gateway, job)
    assert end.status == 200 and end.json["state"] == "failed"
    assert end.json["result"]["error"]["type"] == "engine_error" and "no-such-thing" in end.json["result"]["error"]["message"]
    job = submit(gateway, "long " + stub_text(tokens=400, pace_ms=50))
    still = result(gateway, job, "300ms")
    assert still.status == 202 and still.json["state"] in ("placed", "running") and still.json["links"]["events"]
    gone = gateway.request("DELETE", f"{JOBS}/{job}")
    assert gone.status == 200 and gone.json["state"] in ("cancelling", "cancelled")
    assert result(gateway, job).json["state"] == "cancelled"
    assert gateway.post(f"{JOBS}/{job}/cancel", b"").json == {"id": job, "state": "cancelled"}


def test_a_list_page_by_page(gateway):
    mine = [submit(gateway, stub_text(tokens=1)) for _ in range(5)]
    for job in mine:
        assert result(gateway, job).json["state"] == "done"
    wait_for("their records", lambda: all(gateway.get(f"{JOBS}/{j}").json["state"] == "done" for j in mine))
    seen, path = [], f"{JOBS}?state=done&limit=2"
    while path:
        page = gateway.get(path).json
        seen += [j["id"] for j in page["jobs"]]
        path = page.get("next") and f"{JOBS}?state=done&limit=2&after={page['next']}"
    assert len(seen) == len(set(seen)) and set(mine) <= set(seen)


def test_events_from_the_beginning_to_the_end(gateway):
    job = submit(gateway, stub_text(tokens=5, first_ms=2000))
    events = Events(gateway, f"{JOBS}/{job}/events").wait()
    assert events.status == 200 and events.ids == [f"1.0.{n}" for n in range(len(events.ids))] and len(events.ids) >= 5
    assert events.all[0]["event"] == "state" and events.named("state")[0]["id"] == job
    last = events.all[-1]
    assert (last["event"], last["id"]) == ("end", "end") and text_of(events.named("end")[0]["result"]).startswith("tok0 tok1")
    assert gateway.get(f"{JOBS}/{job}/events", headers={"last-event-id": "end"}).status == 204
    again = Events(gateway, f"{JOBS}/{job}/events", last_event_id="1.0.2").wait()
    assert [e["event"] for e in again.all] == ["state", "end"]
    assert gateway.get(f"{JOBS}/{job}/events", headers={"last-event-id": "7"}).status == 400


def test_events_go_on_at_another_gateway_each_exactly_once(serving, gateway):
    other = serving.gateway("two", "gateway.loopback_without_key=yes")
    job = submit(gateway, stub_text(tokens=60, pace_ms=30))
    first = Events(gateway, f"{JOBS}/{job}/events").until(10)
    first.cut()
    second = Events(other, f"{JOBS}/{job}/events", last_event_id=first.ids[-1]).until(10)
    second.cut()
    third = Events(gateway, f"{JOBS}/{job}/events", last_event_id=second.ids[-1]).wait()
    ids = first.ids + second.ids + third.ids
    assert ids == [f"1.0.{n}" for n in range(len(ids))] and len(ids) >= 60
    assert third.named("end")[0]["state"] == "done"
    other.stop()


@pytest.mark.parametrize("killed", [False, True])
def test_a_resumable_stream_goes_on_at_another_gateway(serving, stub, killed):
    """It begins as an OpenAI stream; the line breaks, or its gateway is killed; the events have the rest, each once."""
    name = f"resumable-{killed}"
    a = serving.gateway(f"a-{killed}", "gateway.loopback_without_key=yes", "gateway.resume_grace=1s")
    b = serving.gateway(f"b-{killed}", "gateway.loopback_without_key=yes", "gateway.resume_grace=1s")
    body = ask(name + stub_text(tokens=100, pace_ms=40), stream=True)
    first = Events(a, "/v1/chat/completions", "POST", body, og_resumable="true").until(10)
    job = first.answer.headers["og-job"]
    if killed:
        os.kill(a.process.pid, signal.SIGKILL)
        a.process.wait()
        first.ended.wait(10)
    else:
        first.cut()
    second = Events(b, f"{JOBS}/{job}/events", last_event_id=first.ids[-1]).wait()
    ids = first.ids + second.ids
    assert ids == [f"1.0.{n}" for n in range(len(ids))] and len(ids) >= 100, "longer than the grace: who resumed it keeps it"
    assert second.named("end")[0]["state"] == "done" and len(stub.requests(name)) == 1
    assert result(b, job).json["state"] == "done", "the request's id yields the result"
    for g in (a, b):
        if g.alive():
            g.stop()


def test_one_that_nobody_comes_back_for_is_cancelled_after_its_grace(serving, stub):
    g = serving.gateway("lonely", "gateway.loopback_without_key=yes", "gateway.resume_grace=1s")
    body = ask("lonely " + stub_text(tokens=400, pace_ms=50), stream=True)
    stream = Events(g, "/v1/chat/completions", "POST", body, og_resumable="true").until(3)
    stream.cut()
    job = stream.answer.headers["og-job"]
    assert result(g, job, "300ms").status == 202
    wait_for("it to be cancelled", lambda: stub.requests("lonely")[0]["aborted"], 10)
    # The same for one whose events were followed, and that was not detached.
    job = submit(g, "tied " + stub_text(tokens=400, pace_ms=50), detach=False)
    Events(g, f"{JOBS}/{job}/events").until(3).cut()
    wait_for("it to be cancelled", lambda: stub.requests("tied")[0]["aborted"], 10)
    wait_for("its end", lambda: result(g, job).json["state"] == "cancelled")
    g.stop()


def test_a_detached_job_needs_nobody(serving, stub):
    g = serving.gateway("free", "gateway.loopback_without_key=yes", "gateway.resume_grace=1s")
    job = submit(g, "free " + stub_text(tokens=60, pace_ms=50))
    Events(g, f"{JOBS}/{job}/events").until(3).cut()
    assert result(g, job).json["state"] == "done" and not stub.requests("free")[0]["aborted"]
    g.stop()
