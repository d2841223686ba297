"""Who means ill by a gateway: strange HTTP, strange JSON, strange headers, forged messages. Each is answered whole, by a typed error or by a
cut; the sanitizers have nothing to say when the gateway is stopped; and nothing is left of it."""

import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, ask, gateway, serving, stub, stub_text  # noqa: E402, F401
from test_gateway_web import speak  # noqa: E402


def chat_request(text="x", *headers, **more):
    """The bytes of one, with header lines that no library would send."""
    body = json.dumps(ask(text, **more)).encode()
    lines = [b"POST /v1/chat/completions HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "header, said",
    [
        (b"og-region: " + b"r" * 128, "region"),
        (b"og-region: a\x01b", "region holds a control character"),
        (b"og-region: \xff\xfe", "region: is not UTF-8"),
        (b"og-tier: " + b"t" * 500, "tier"),
        (b"og-session: \x7f", "session"),
        (b"og-avoid: " + b",".join(b"%032x" % n for n in range(100)), "avoid"),
        (b"og-deadline: 9404642160000000", "deadline"),  # in the year 300000
        (b"og-deadline: 99999999999999999999999", "deadline"),
        (b"og-deadline: -1", "deadline"),
        (b"og-class: urgent\x01", "class"),
        (b"idempotency-key: " + b"k" * 5000, "idempotency key"),
    ],
)
def test_headers_that_no_message_can_hold(gateway, header, said):
    for stream in (False, True):
        answer = speak(gateway, chat_request(stub_text(tokens=1), header, stream=stream))
        assert answer.startswith("HTTP/1.1 400 ") and said in answer, answer
    assert gateway.alive()


def test_what_is_no_name_of_a_model(gateway):
    for model in ("a\x01b", "m" * 127, "é" * 63):
        assert gateway.chat(stub_text(tokens=1), model=model).status in (400, 404)
    assert gateway.chat(stub_text(tokens=1), max_tokens=10**15).status in (200, 400)
    assert gateway.chat(stub_text(tokens=1), headers={"idempotency-key": "a\x01\x7f é".encode().decode("latin-1")}).status == 200


CHUNKED = b"2\r\n{}\r\n0\r\n\r\n"
HIDDEN = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "headers, body",
    [
        ([b"Content-Length: 0", b"Transfer-Encoding: chunked"], CHUNKED),
        ([b"Transfer-Encoding: chunked", b"Content-Length: 4"], CHUNKED),
        ([b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN)], HIDDEN),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"], CHUNKED),
        ([b"Transfer-Encoding: xchunked"], CHUNKED),
        ([b"Transfer-Encoding: gzip, chunked"], CHUNKED),
        ([b"Transfer-Encoding : chunked"], CHUNKED),
        ([b"Content-Length : 5"], HIDDEN),
        ([b"Content-Length: -1"], HIDDEN),
        ([b"Content-Length: 99999999999999999999999"], HIDDEN),
        ([b"Transfer-Encoding: chunked"], b"-1\r\n{}\r\n0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"1\r\n{}\r\n0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    ],
)
def test_a_request_that_ends_in_two_places_is_refused_and_nothing_behind_it_is_read(gateway, headers, body):
    head = b"\r\n".join([b"POST /v1/chat/completions HTTP/1.1", b"Host: x", *headers])
    answer = speak(gateway, head + b"\r\n\r\n" + body + HIDDEN)
    assert answer.startswith(("HTTP/1.1 400 ", "HTTP/1.1 413 ")), answer
    assert "og_gateway" not in answer and "200 OK" not in answer, "the hidden one is not answered"
    assert gateway.alive()


def test_a_nul_does_not_end_a_path(gateway):
    assert gateway.get("/healthz%00/x").status == 404
    assert "%00b" in gateway.get("/v1/models/a%00b").json["error"]["message"]
    assert gateway.get("/v1/models/sm%6Fl").json["id"] and gateway.get("/v1/models/%ff%zz%1").status == 404


def test_requests_one_behind_the_other(gateway):
    """Whole answers and streams, all sent at once, are answered in their order."""
    body = json.dumps(ask(stub_text(tokens=5, pace_ms=20), stream=True)).encode()
    chat = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = speak(gateway, chat + HIDDEN.replace(b"metrics", b"healthz") + chat + last)
    assert answer.count("HTTP/1.1 200 OK") == 4 and answer.count("data: [DONE]") == 2 and answer.endswith("ok\n")
