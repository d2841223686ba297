"""The gateway's HTTP server at its bounds: TLS, pages of other origins, slow, large and strange clients, and the proxies that
docs/GATEWAY.md shows."""

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import REPO  # noqa: E402
from gateway_rig import ask, gateway, serving, stub, stub_text  # noqa: E402, F401
from services import Process, free_port, wait_for  # noqa: E402
from tls import Authority  # noqa: E402


def memory_kib(process):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1])


def speak(gateway, said):
    """What it says to bytes that are no library's; "" where it closes at once."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as s:
        s.sendall(said)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := s.recv(65536):
                answer += more
        return answer.decode(errors="replace")


def test_tls_of_its_own(serving, gateway, tmp_path):
    authority = Authority(tmp_path / "tls")
    cert, key = authority.sign("gateway")
    secure = serving.gateway("tls", f"gateway.tls_cert={cert}", f"gateway.tls_key={key}")
    trusting = ssl.create_default_context(cafile=str(authority.cert))
    with urllib.request.urlopen(f"https://localhost:{secure.port}/healthz", context=trusting, timeout=20) as answer:
        assert answer.read() == b"ok\n"
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://localhost:{secure.port}/healthz", timeout=20)
    refused = serving.gateway("half", f"gateway.tls_cert={cert}", until_ready=False)
    assert refused.process.wait(20) == 1 and "go together" in refused.text()
    serving.gateways.remove(refused)


def test_a_start_that_fails_ends(serving):
    """What was opened before is closed: nothing waits for a store that cannot be named."""
    refused = serving.gateway("nowhere", "store.address=unix:", until_ready=False)
    serving.gateways.remove(refused)
    try:
        assert refused.process.wait(20) == 1 and "store.address" in refused.text(), refused.text()
    finally:
        refused.process.kill()


def test_pages_of_other_origins(serving, gateway):
    asks = {"origin": "https://chat.example", "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    assert "access-control-allow-origin" not in gateway.get("/healthz", headers=asks).headers
    open_to = serving.gateway("cors", "gateway.cors_origins=https://other.example, https://chat.example")
    answer = open_to.request("OPTIONS", "/v1/chat/completions", headers=asks)
    assert answer.status == 204 and answer.headers["access-control-allow-origin"] == "https://chat.example"
    assert answer.headers["access-control-allow-headers"] == "authorization"
    refused = open_to.get("/v1/models", headers={"origin": "https://chat.example"})
    assert refused.status == 401 and refused.headers["access-control-allow-origin"] == "https://chat.example"
    assert "access-control-allow-origin" not in open_to.get("/healthz", headers={"origin": "https://evil.example"}).headers


def test_pages_of_other_origins_are_not_this_machines_user(gateway):
    """A page needs no leave to send a form's type, nor for a name of its own that says 127.0.0.1."""
    body = json.dumps(ask(stub_text(tokens=1))).encode()
    for head in ({"origin": "https://evil.example"}, {"host": "evil.example"}, {"x-forwarded-for": "192.0.2.7"}):
        assert gateway.post("/v1/chat/completions", body, headers={"content-type": "text/plain", **head}).status == 401, head
    assert gateway.post("/v1/chat/completions", body, headers={"origin": "http://localhost:3000"}).status == 200


def test_slow_clients_do_not_hold_up_others(serving):
    g = serving.gateway("slow", "gateway.loopback_without_key=yes", "gateway.idle_timeout=2s")
    slow = [socket.create_connection(("127.0.0.1", g.port)) for _ in range(1000)]
    for s in slow:
        s.sendall(b"POST /v1/chat/comp")
    began = time.monotonic()
    assert g.chat(stub_text(tokens=2)).status == 200
    assert time.monotonic() - began < 2
    wait_for("them to be closed", lambda: g.control()["gateway"]["connections"] == 0, 20)
    for s in slow:
        s.close()


def test_a_large_body_is_refused_and_not_kept(gateway):
    before = memory_kib(gateway.process)
    refused = gateway.post("/v1/chat/completions", b"x" * (100 << 20))
    assert refused.status == 413 and refused.json["error"]["code"] == "too_large"
    assert memory_kib(gateway.process) - before < 64 * 1024
    asks = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    assert speak(gateway, asks).startswith("HTTP/1.1 413 ")


BODY = 8 << 20


@pytest.mark.parametrize(
    "items, said",
    [
        (b"[]," * (BODY // 3 - 20), "arrays and objects"),
        (b"[" * (BODY // 2) + b"]" * (BODY // 2 - 60) + b",", "arrays and objects"),
        (b"1," * (BODY // 2 - 30), "1000000 values"),
        (b"12345," * 999_000, "item 0"),  # is parsed, and is no message
    ],
)
def test_a_body_of_many_values_holds_up_nobody(gateway, items, said):
    """Before these were bounded, and parsed beside the loop, it stood still for up to 4 s (sanitized; 0.9 s else)."""
    body, answers, worst = b'{"model":"smol","messages":[' + items + b"1]}", [], 0
    asking = threading.Thread(target=lambda: answers.append(gateway.post("/v1/chat/completions", body)))
    asking.start()
    while not answers:
        began = time.monotonic()
        assert gateway.get("/healthz").status == 200
        worst = max(worst, time.monotonic() - began)
    asking.join()
    assert answers[0].status == 400 and said in answers[0].json["error"]["message"], answers[0].body[:300]
    assert worst < 0.5


def test_a_picture_of_8_mib_passes(gateway, stub):
    url = "data:image/png;base64," + "A" * (BODY - 4096)
    content = [{"type": "text", "text": "pictured " + stub_text(tokens=1)}, {"type": "image_url", "image_url": {"url": url}}]
    assert gateway.post("/v1/chat/completions", {"model": "smol", "messages": [{"role": "user", "content": content}]}).text == "tok0 "
    (asked,) = stub.requests("pictured")
    assert asked["body"]["messages"][0]["content"][1]["image_url"]["url"] == url


def test_a_client_that_leaves_while_its_body_is_parsed(gateway):
    body = b'{"model":"smol","messages":[' + b"12345," * 999_000 + b"1]}"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as s:
            s.sendall(head + body)
    wait_for("them to be over", lambda: gateway.control()["gateway"]["connections"] == 0, 20)
    assert gateway.get("/healthz").status == 200


@pytest.mark.parametrize(
    "said, status",
    [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + "y" * 40000 + "\r\n\r\n", 431),
        ("GET http://user@x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("GET ftp://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("GET http:///healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        ("BREW /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        ("GET /%00%ff/..//x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\n{}", 415),
        ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 400),
        ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n\xff\xfe{", 400),
    ],
)  # fmt: skip
def test_strange_requests(gateway, said, status):
    assert speak(gateway, said.encode("latin-1")).startswith(f"HTTP/1.1 {status} ")
    assert gateway.get("/healthz").status == 200


@pytest.mark.parametrize("target, status", [("http://x/healthz", 200), ("HTTPS://x:443/healthz?a=b", 200), ("http://x", 200), ("http://x?a=b", 200), ("http://x/none", 404)])
def test_a_target_may_be_a_whole_uri(gateway, target, status):
    """As clients of a proxy send it."""
    answer = speak(gateway, f"GET {target} HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} "), answer


@pytest.mark.parametrize("target, host, status", [("http://localhost", "evil.example", 200), ("http://evil.example", "localhost", 401)])
def test_the_host_of_a_whole_uri_is_the_one_that_counts(gateway, target, host, status):
    answer = speak(gateway, f"GET {target}/v1/models?all=1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ") and ("Huge" in answer) == (status == 200), answer


@pytest.mark.parametrize("path, error", [("/v1/models", '"code": "too_large"'), ("/v1/messages", '"type": "error"'), ("/api/tags", '{"error": "')])
def test_a_large_head_is_refused_in_the_endpoints_shape(gateway, path, error):
    for size, status in ((15000, (200, 405)), (17000, (431,)), (30000, (431,))):
        answer = speak(gateway, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: {'y' * size}\r\n\r\n".encode())
        assert int(answer.split()[1]) in status, answer[:200]
        assert status != (431,) or ("application/json" in answer and error.replace(": ", ":") in answer.replace(": ", ":")), answer


def test_many_open_streams(serving):
    """So many that wait for a slot, each seen to be alive; a gateway of its own, so that its memory is theirs alone."""
    g = serving.gateway("streams", "gateway.loopback_without_key=yes")
    before = memory_kib(g.process)
    body = json.dumps(ask("waits " + stub_text(tokens=2, first_ms=300), stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with contextlib.ExitStack() as streams:  # closed also where this fails: they would hold every slot of the tests after it
        open_streams = [streams.enter_context(socket.create_connection(("127.0.0.1", g.port))) for _ in range(300)]
        for s in open_streams:
            s.sendall(head + body)
        for s in open_streams:
            s.settimeout(20)
            assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert memory_kib(g.process) - before < 300 * 100
    wait_for("all to be given up", lambda: g.control()["gateway"]["jobs"] == 0, 20)


# ---- the proxies of the page ----


def snippet(language):
    page = (REPO / "docs/GATEWAY.md").read_text()
    return re.search(rf"```{language}\n(.*?)```", page, re.S)[1]


class Proxy(Process):
    def __init__(self, folder, port, *command, environment=None):
        super().__init__()
        self.port = port
        self.spawn(command, environment, folder / "proxy.log")
        wait_for("the proxy", self.answers, 20, self.process)

    def answers(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return answer.status == 200
        return False


def nginx(folder, gateway):
    port = free_port()
    location = snippet("nginx").replace("127.0.0.1:8080", f"127.0.0.1:{gateway.port}")
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
        f" uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{port}; {location} }} }}\n"
    )
    return Proxy(folder, port, "/usr/sbin/nginx", "-c", folder / "nginx.conf", "-p", folder)


def haproxy(folder, gateway):
    port = free_port()
    defaults = "defaults\n    mode http\n    timeout client 60s\n    timeout server 60s\n    timeout connect 5s\n"
    lines = snippet("haproxy").replace(":8080", f":{gateway.port}").replace(":8000", f":{port}")
    (folder / "haproxy.cfg").write_text(defaults + lines)
    return Proxy(folder, port, "/usr/sbin/haproxy", "-db", "-f", folder / "haproxy.cfg")


def caddy(folder, gateway):
    port = free_port()
    site = snippet("caddy").replace(":8080", f":{gateway.port}").replace(":8000", f":{port}")
    (folder / "Caddyfile").write_text("{\n    admin off\n}\n" + site)
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return Proxy(folder, port, "/usr/bin/caddy", "run", "--config", folder / "Caddyfile", environment=home)


@pytest.mark.parametrize("proxy", [nginx, haproxy, caddy])
def test_through_a_proxy(serving, gateway, stub, tmp_path, proxy):
    """It is on this machine, and those it asks for are not: they need a key."""
    serving.store or serving.start_store()
    wait_for("the store to be reached", lambda: gateway.control()["gateway"]["store"])
    secret = gateway.control("keys_create", name=proxy.__name__, tenant="default")["secret"]
    p = proxy(tmp_path, gateway)
    try:
        for path in ("/v1/chat/completions", "/api/chat"):
            body = json.dumps(ask(f"proxied by {proxy.__name__} {path} " + stub_text(tokens=20, pace_ms=100), stream=True)).encode()
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            with socket.create_connection(("127.0.0.1", p.port), timeout=20) as s:
                s.sendall(f"{head}\r\n".encode() + body)
                assert s.recv(4096).startswith(b"HTTP/1.1 401 ")
            with socket.create_connection(("127.0.0.1", p.port), timeout=20) as s:
                s.sendall(f"{head}Authorization: Bearer {secret}\r\n\r\n".encode() + body)
                began, seen = time.monotonic(), b""
                while b"tok2" not in seen:
                    seen += s.recv(4096)
                assert time.monotonic() - began < 1.5, "its tokens come as they are made"
            wait_for("the job to be cancelled", lambda: stub.requests(f"proxied by {proxy.__name__} {path} ")[0]["aborted"], 20)  # noqa: B023
    finally:
        p.end(15, 10)
