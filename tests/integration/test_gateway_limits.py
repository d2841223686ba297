"""What a key may use, and what it is charged for: through a real gateway, scheduler and store."""

import os
import socket
import json
import signal
import sys
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, Serving, ask, stub, stub_text  # noqa: E402, F401
from services import api, wait_for  # noqa: E402
from test_gateway_keys import new_key, og, og_json, rig  # noqa: E402, F401


def used(rig, key):
    """(requests, prompt tokens, completion tokens) of a key by its name."""
    (found,) = [k for k in og_json(rig, "keys", "list")["keys"] if k["name"] == key]
    rows = [r for r in og_json(rig, "usage", "--by", "key")["usage"] if r["key"] == found["id"]]
    return tuple(sum(r[name] for r in rows) for name in ("requests", "prompt_tokens", "completion_tokens"))


def chat(rig, secret, text, **more):
    headers = {"authorization": f"Bearer {secret}", **more.pop("headers", {})}
    return rig.one.chat(text, headers=headers, **more)


def test_what_was_used_is_counted(rig):
    secret = new_key(rig, "counted")
    whole = chat(rig, secret, stub_text(tokens=5))
    assert whole.status == 200 and chat(rig, secret, stub_text(tokens=7), stream=True).status == 200
    wait_for("it to be counted", lambda: used(rig, "counted")[0] == 2)
    assert used(rig, "counted")[2] == 12 and used(rig, "counted")[1] >= whole.json["usage"]["prompt_tokens"]
    assert chat(rig, secret, "x", model="none-such").status == 404
    assert chat(rig, secret, stub_text(status=400)).status == 400
    assert used(rig, "counted")[2] == 12, "what did not run costs nothing"


def test_requests_a_minute(rig):
    secret = new_key(rig, "slow", "--requests-per-minute", "2")
    assert [chat(rig, secret, stub_text(tokens=1)).status for _ in range(2)] == [200, 200]
    for stream in (False, True):
        refused = chat(rig, secret, stub_text(tokens=1), stream=stream)
        assert (refused.status, refused.json["error"]["code"]) == (429, "rate_limit_exceeded"), refused.body
        assert 1 <= int(refused.headers["retry-after"]) <= 60 and "2 requests a minute" in refused.json["error"]["message"]


def test_running_at_once_and_a_client_that_leaves_frees_its_place(rig, stub):  # noqa: F811
    secret = new_key(rig, "single", "--running", "1")
    body = json.dumps(ask("long one " + stub_text(tokens=100, pace_ms=100), stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", rig.one.port)) as s:
        s.sendall(head.encode() + body)
        wait_for("it to run", lambda: stub.requests("long one"))
        assert chat(rig, secret, stub_text(tokens=1)).status == 429
    wait_for("its place to be free", lambda: chat(rig, secret, stub_text(tokens=1)).status == 200, 10)


def begun(rig, secret, text):
    """A request that nobody reads the answer of, sent."""
    body = json.dumps(ask(text)).encode()
    s = socket.create_connection(("127.0.0.1", rig.one.port))
    s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return s


@pytest.mark.parametrize("limited", [False, True])
def test_who_leaves_while_it_waits_pays_nothing(rig, stub, limited):  # noqa: F811
    """And who leaves while it runs pays its prompt, which the engine has read."""
    name, waiting = f"left-{limited}", lambda: og_json(rig, "queues")["tiers"][0]["waiting"]["normal"]
    secret = new_key(rig, name, *(["--running", "1", "--budget", "2000"] if limited else []))
    og(rig, "pause", MODEL)
    try:
        with begun(rig, secret, f"{name} waits " + stub_text(tokens=1)):
            wait_for("it to wait", lambda: waiting() == 1)
        wait_for("it to be cancelled", lambda: waiting() == 0)
    finally:
        og(rig, "resume", MODEL)
    wait_for("its place to be free", lambda: chat(rig, secret, stub_text(tokens=1)).status == 200, 10)
    wait_for("the next to be counted", lambda: used(rig, name)[0])
    assert used(rig, name)[0] == 1 and used(rig, name)[2] == 1 and not stub.requests(f"{name} waits")
    with begun(rig, secret, f"{name} runs " + stub_text(tokens=1, first_ms=60000)):
        wait_for("its start to be known", lambda: rig.one.get("/api/v1/jobs?state=running").json["jobs"])
    wait_for("its prompt to be charged", lambda: used(rig, name)[0] == 2, 15)
    assert used(rig, name)[2] == 1


def test_a_budget_ends(rig):
    secret = new_key(rig, "poor", "--budget", "1200")
    assert chat(rig, secret, stub_text(tokens=300), max_tokens=300).status == 200
    refused = chat(rig, secret, stub_text(tokens=1), max_tokens=1100)
    assert (refused.status, refused.json["error"]["code"]) == (429, "insufficient_quota"), refused.body
    assert chat(rig, secret, stub_text(tokens=1), max_tokens=100).status == 200, "what is left is enough for it"


def test_limits_and_scopes_that_change_hold_at_every_gateway_within_two_seconds(rig):
    two, secret = rig.gateway("two-of-limits", key=rig.first), new_key(rig, "changing")
    (key,) = [k["id"] for k in og_json(rig, "keys", "list")["keys"] if k["name"] == "changing"]
    answered = 0

    def change_and_await(status, *words):
        nonlocal answered
        og(rig, "keys", "set", key, *words)
        end = time.monotonic() + 2.5
        while (got := two.chat(stub_text(tokens=1), headers={"authorization": f"Bearer {secret}"}).status) != status:
            answered += got == 200
            assert time.monotonic() < end, got
        answered += status == 200

    change_and_await(200, "--name", "changing")
    change_and_await(429, "--requests-per-minute", "1")
    change_and_await(200, "--requests-per-minute", "0")
    change_and_await(403, "--model", "Huge")
    change_and_await(200, "--model", "*")
    wait_for("it to be counted", lambda: used(rig, "changing")[0] == answered)


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("wrong", [{"max_tokens": 10**13}, {"model": "a\nb"}, {"headers": {"og-session": "a\tb"}}])
def test_what_no_message_can_carry_is_refused(rig, limited, wrong):
    name = f"strange-{limited}-{next(iter(wrong))}"
    secret = new_key(rig, name, *(["--requests-per-minute", "60"] if limited else []))
    refused = chat(rig, secret, stub_text(tokens=1), **wrong)
    assert (refused.status, refused.json["error"]["code"]) == (400, "invalid_request"), refused.body
    assert chat(rig, secret, stub_text(tokens=1)).status == 200


def test_a_client_that_leaves_while_the_store_is_slow(rig, stub):  # noqa: F811
    secret = new_key(rig, "hasty", "--running", "1")
    assert chat(rig, secret, stub_text(tokens=1)).status == 200
    body = json.dumps(ask("hasty one " + stub_text(tokens=2), stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    before = rig.one.control()["gateway"]["requests"]
    os.kill(rig.store.process.pid, signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", rig.one.port)) as s:
            s.sendall(head.encode() + body)
            wait_for("the request", lambda: rig.one.control()["gateway"]["requests"] > before)
        time.sleep(0.6)  # a stream begins after 250 ms; the store is given up after 1 s
    finally:
        os.kill(rig.store.process.pid, signal.SIGCONT)
    wait_for("its place to be free", lambda: chat(rig, secret, stub_text(tokens=1)).status == 200, 10)
    assert not stub.requests("hasty one")


def test_scopes(rig):
    secret = new_key(rig, "narrow", "--model", MODEL, "--class", "batch")
    assert chat(rig, secret, "x", model="Huge").json["error"]["code"] == "model_not_allowed"
    assert chat(rig, secret, "x", headers={"og-class": "normal"}).json["error"]["code"] == "class_not_allowed"
    assert chat(rig, secret, "x", headers={"og-tier": "Huge"}).json["error"]["code"] == "model_not_allowed"
    assert chat(rig, secret, "x", model="Huge", headers={"og-tier": "auto"}).json["error"]["code"] == "model_not_allowed"
    for name in (MODEL, "smol"):
        assert chat(rig, secret, stub_text(tokens=1), model=name, headers={"og-class": "batch"}).status == 200


def test_a_class_that_nobody_said_is_one_that_the_key_may_have(rig):
    """Normal, or the low one; never a better one unasked. What is asked on the side is low only where that is allowed."""
    aside = "### Task: Generate a concise title"
    for classes, of_prompt, of_aside in (("batch", "batch", "batch"), ("normal", "normal", "normal"), ("high,batch", "batch", "batch"), ("high", None, None)):
        secret = new_key(rig, f"of {classes}", *(word for c in classes.split(",") for word in ("--class", c)))
        for text, wanted in ((stub_text(tokens=1), of_prompt), (f"{aside} {stub_text(tokens=1)}", of_aside)):
            answer = chat(rig, secret, text)
            assert answer.status == (200 if wanted else 403), (classes, answer.body)
            if wanted:
                path, who = f"/api/v1/jobs/{answer.headers['og-job']}", {"authorization": f"Bearer {rig.first}"}
                wait_for("its record", lambda: rig.one.get(path, headers=who).json.get("class"))  # noqa: B023
                assert rig.one.get(path, headers=who).json["class"] == wanted, (classes, text)


@pytest.mark.parametrize("limited", [False, True])
def test_the_same_idempotency_key_is_paid_once(rig, limited):
    name = f"once-{limited}"
    secret = new_key(rig, name, *(["--running", "5"] if limited else []))
    for _ in range(3):
        answer = chat(rig, secret, stub_text(tokens=4), headers={"idempotency-key": f"k-{name}-{os.getpid()}"})
        assert answer.status == 200
    wait_for("it to be counted", lambda: used(rig, name)[0])
    assert used(rig, name)[2] == 4


def test_one_whose_end_had_to_be_asked_for_is_charged(rig, stub):  # noqa: F811
    """Its gateway lost the broker meanwhile: the job ran for this request all the same."""
    secret = new_key(rig, "asked")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(chat, rig, secret, "asked " + stub_text(tokens=20, pace_ms=100))
        wait_for("it to run", lambda: stub.requests("asked"))
        mine = [c for c in api("GET", "/api/connections") if c.get("vhost") == rig.fleet.cluster.name and "gateway" in c.get("user", "")]
        for c in mine:
            api("DELETE", "/api/connections/" + urllib.parse.quote(c["name"], safe=""))
        assert mine and answer.result(60).status == 200
    wait_for("it to be counted", lambda: used(rig, "asked")[0], 10)
    assert used(rig, "asked")[2] == 20


def test_a_gateway_that_dies_leaves_no_place_taken(rig):
    """Its reservation's lease runs out; another gateway asks how the job ended, and settles it."""
    secret = new_key(rig, "orphaned", "--running", "1")
    doomed = rig.gateway("doomed", key=secret)
    body = json.dumps(ask("orphan " + stub_text(tokens=30, pace_ms=50), stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", doomed.port)) as s:
        s.sendall(head.encode() + body)
        assert b"200 OK" in s.recv(100)
        doomed.process.kill()
    assert chat(rig, secret, stub_text(tokens=1)).status == 429
    wait_for("its place to be free", lambda: chat(rig, secret, stub_text(tokens=1)).status == 200, 60)
    wait_for("what it used to be counted", lambda: used(rig, "orphaned")[2] == 31)
