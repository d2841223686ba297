"""The HTTP client against servers that do it well, slowly, halfway, wrong, or not at all."""

import base64
import queue
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from driver import Driver  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Stub:
    """Speaks in raw bytes; what it does depends on the path. Notes each request, and each client that left."""

    def __init__(self, path=None):
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.socket.listen(64)
        self.url = "http://localhost" if path else "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.connections = 0
        self.requests, self.left = queue.Queue(), queue.Queue()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, c):
        with c:
            try:
                while self.one(c):
                    pass
            except OSError:
                self.left.put(time.monotonic())

    def one(self, c):
        """One request; true where the connection may carry another."""
        head = b""
        while b"\r\n\r\n" not in head:
            more = c.recv(65536)
            if not more:
                return False
            head += more
        head, body = head.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        left = int(headers.get("content-length", 0)) - len(body)
        while left > 0:
            left -= len(c.recv(65536))
        method, path, _ = lines[0].split(" ")
        self.requests.put((method, path, headers))
        return getattr(self, path.strip("/").replace("-", "_"))(c)

    def wait_until_left(self, c):
        c.settimeout(30)
        if not c.recv(1):
            self.left.put(time.monotonic())
        return False

    def hello(self, c):
        c.sendall(OK + b"Content-Length: 5\r\n\r\nhello")
        return True

    def hello_then_close(self, c):
        c.sendall(OK + b"Content-Length: 5\r\n\r\nhello")

    def until_closed(self, c):
        c.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    def error(self, c):
        c.sendall(b"HTTP/1.1 500 Oh\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        return True

    def pace(self, c):
        c.sendall(CHUNKED)
        for _ in range(20):
            time.sleep(0.02)
            c.sendall(b"9\r\ndata: x\n\n\r\n")
        c.sendall(b"0\r\n\r\n")
        return True

    def drip(self, c):
        c.sendall(OK + b"Content-Length: 100\r\n\r\n")
        for _ in range(100):
            time.sleep(0.05)
            c.sendall(b"x")

    def hang(self, c):
        return self.wait_until_left(c)

    def hang_after_head(self, c):
        c.sendall(CHUNKED)
        return self.wait_until_left(c)

    def hang_in_body(self, c):
        c.sendall(CHUNKED + b"9\r\ndata: x\n\n\r\n")
        return self.wait_until_left(c)

    def cut(self, c):
        c.sendall(CHUNKED + b"9\r\ndata: x\n\n\r\n9\r\ndat")

    def reset(self, c):
        c.sendall(CHUNKED + b"9\r\ndata: x\n\n\r\n")
        time.sleep(0.1)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def long_line(self, c):
        c.sendall(OK + b"Content-Length: %d\r\n\r\n" % (10 << 20))
        c.sendall(b"x" * (10 << 20))
        return True

    def garbage(self, c):
        c.sendall(b"\x15\x03\x01\x00\x02\x02\x16 SSH-2.0 220 ready\r\n\r\n")

    def huge_head(self, c):
        c.sendall(OK)
        for i in range(10000):
            c.sendall(b"x-%d: %s\r\n" % (i, b"y" * 1000))


@pytest.fixture
def stub():
    server = Stub()
    yield server
    server.socket.close()


@pytest.fixture
def http():
    with Driver("http_driver") as driver:
        yield driver


def get(http, url, *options):
    http.say("start", 0, "GET", url, *options)
    return http.until("end", 30)


def test_a_whole_answer(http, stub):
    end = get(http, stub.url + "/hello")
    assert (end["status"], end["begins"], end["kind"]) == (200, "hello", "none")


def test_an_error_status_is_an_answer(http, stub):
    end = get(http, stub.url + "/error")
    assert (end["status"], end["begins"], end["kind"]) == (500, "{}", "none")


def test_a_body_that_ends_with_the_connection(http, stub):
    end = get(http, stub.url + "/until-closed")
    assert (end["begins"], end["kind"]) == ("hello", "none")


def test_connections_are_used_again(http, stub):
    for _ in range(20):
        assert get(http, stub.url + "/hello")["kind"] == "none"
    assert stub.connections == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
def test_an_address_that_is_not_allowed(http, stub, host):
    """Judged when its name has been resolved: nothing is connected to."""
    url = stub.url.replace("127.0.0.1", host)
    end = get(http, url + "/hello", "loopback=no")
    assert (end["status"], end["kind"]) == (0, "invalid") and "not allowed" in end["message"]
    assert stub.connections == 0 and get(http, stub.url + "/hello", "loopback=yes")["status"] == 200


def test_a_kept_connection_that_the_server_has_closed(http, stub):
    for _ in range(5):
        assert get(http, stub.url + "/hello-then-close")["kind"] == "none"
    assert stub.connections == 5


def test_many_at_once(http, stub):
    for i in range(50):
        http.say("start", i, "GET", stub.url + "/pace")
    for _ in range(50):
        end = http.until("end")
        assert (end["kind"], end["bytes"]) == ("none", 20 * 9)


def test_connections_of_a_burst_serve_the_next(http, stub):
    for _ in range(3):
        for i in range(40):
            http.say("start", i, "GET", stub.url + "/pace")
        for _ in range(40):
            assert http.until("end")["kind"] == "none"
        assert get(http, stub.url + "/hello")["kind"] == "none"  # one alone, after which curl by itself keeps four
    assert stub.connections == 40


def test_a_stream_arrives_as_it_is_sent(http, stub):
    http.say("start", 0, "GET", stub.url + "/pace", "first=5000", "idle=5000")
    status = http.until("status")
    assert (status["status"], status["type"]) == (200, "text/event-stream")
    at = []
    while (event := http.next())["event"] == "body":
        at.append(event["ms"])
    assert event["event"] == "end" and event["kind"] == "none"
    assert len(at) >= 5  # of 20: some may share a read when the machine is busy
    assert at[-1] - at[0] >= 300


def test_a_large_request_goes_out_at_once(http, stub):
    http.say("start", 0, "POST", stub.url + "/hello", f"size={(8 << 20) + 1}")
    assert http.until("end")["kind"] == "none"
    method, _, headers = stub.requests.get()
    assert (method, headers["content-length"]) == ("POST", str((8 << 20) + 1))
    assert "expect" not in headers and "content-type" not in headers


def test_user_and_password(http, stub):
    get(http, stub.url + "/hello", "user=og", "password=secret")
    _, _, headers = stub.requests.get()
    assert base64.b64decode(headers["authorization"].split(" ")[1]) == b"og:secret"


def test_a_unix_socket(http, tmp_path):
    server = Stub(str(tmp_path / "engine.sock"))
    end = get(http, server.url + "/hello", f"unix={tmp_path / 'engine.sock'}")
    assert end["begins"] == "hello"
    server.socket.close()
    (tmp_path / "engine.sock").unlink()
    assert get(http, server.url + "/hello", f"unix={tmp_path / 'none.sock'}")["kind"] == "retry"


@pytest.mark.parametrize(
    "path, options, words, after_ms",
    [
        ("/hang", ["first=200"], "no answer came within 200 ms", 200),
        ("/hang-after-head", ["first=200", "idle=5000"], "no answer came within 200 ms", 200),
        ("/hang-in-body", ["first=5000", "idle=200"], "nothing more came within 200 ms", 200),
        ("/hang-in-body", ["total=200"], "timed out after 2", 200),
        ("/drip", ["idle=1000", "total=500"], "timed out after 5", 500),
    ],
)
def test_limits(http, stub, path, options, words, after_ms):
    end = get(http, stub.url + path, *options)
    assert end["kind"] == "retry" and words in end["message"]
    assert after_ms - 2 <= end["ms"] < after_ms + 5000
    assert stub.left.get(timeout=5)  # and the server sees it at once


def test_connecting_takes_too_long(http):
    with socket.socket() as full:  # a listener whose backlog is full answers no SYN
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fill = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(full.getsockname())
            fill.append(s)
        end = get(http, "http://127.0.0.1:%d/" % full.getsockname()[1], "connect=300")
        for s in fill:
            s.close()
    assert end["kind"] == "retry" and end["status"] == 0
    assert 290 <= end["ms"] < 5000


@pytest.mark.parametrize("path", ["/cut", "/reset"])
def test_a_body_that_is_cut(http, stub, path):
    end = get(http, stub.url + path)
    assert end["kind"] == "retry" and end["status"] == 200 and end["begins"].startswith("data: x\n\n")


def test_garbage(http, stub):
    end = get(http, stub.url + "/garbage")
    assert end["kind"] == "retry" and end["status"] == 0


def test_caps(http, stub):
    end = get(http, stub.url + "/long-line", f"cap={10 << 20}")
    assert (end["kind"], end["bytes"]) == ("none", 10 << 20)
    end = get(http, stub.url + "/long-line", f"cap={(10 << 20) - 1}")
    assert end["kind"] == "invalid" and "larger than 10485759 bytes" in end["message"]
    end = get(http, stub.url + "/huge-head")
    assert end["kind"] == "invalid" and end["status"] == 0


def test_refused_and_unknown(http):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        assert get(http, "http://127.0.0.1:%d/" % s.getsockname()[1])["kind"] == "retry"
    assert get(http, "http://nowhere.invalid/", "total=5000")["kind"] == "retry"
    assert get(http, "gopher://127.0.0.1/")["kind"] == "invalid"


@pytest.mark.parametrize("path, after", [("/hang", None), ("/hang-after-head", "status"), ("/pace", "body")])
def test_cancel_reaches_the_server_at_once(http, stub, path, after):
    http.say("start", 1, "POST", stub.url + path, "size=100")
    stub.requests.get(timeout=5)
    if after:
        http.until(after)
    begin = time.monotonic()
    http.say("cancel", 1)
    assert stub.left.get(timeout=5) - begin < 2
    assert get(http, stub.url + "/hello")["id"] == 0  # the client goes on, and the cancelled call never ended


def test_close_with_calls_in_flight(stub):
    with Driver("http_driver") as http:
        for i, path in enumerate(["/hang", "/hang-in-body", "/drip", "/hello", "/pace"]):
            http.say("start", i, "GET", stub.url + path)
        http.say("start", 9, "GET", "http://nowhere.invalid/")
        http.until("body")
