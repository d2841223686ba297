"""The Redis client against a real Redis: restarted, stopped, flushed, full, refusing."""

import signal
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from driver import Driver  # noqa: E402
from services import Redis  # noqa: E402

TIMEOUT_MS = 10_000  # a slow machine is no fault; the tests of the deadline have one of their own


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path / "redis").start()
    yield server
    if server.alive():
        server.signal(signal.SIGCONT)
    server.stop()


def client(redis, user="", password="", address=None, timeout_ms=TIMEOUT_MS, window=1000):
    return Driver("redis_driver", address or f"127.0.0.1:{redis.port}", user, password, timeout_ms, window)


def admin(redis, *words):
    """One command over a connection of its own."""
    with socket.create_connection(("127.0.0.1", redis.port), 5) as s:
        s.sendall(f"*{len(words)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in words))
        answer = s.recv(65536).decode()
    assert not answer.startswith("-"), answer
    return answer


def numbers(driver, key):
    return [int(n) for n in driver.ask("do", "LRANGE", key, "0", "-1")["reply"]]


@pytest.mark.parametrize("kind", ["tcp", "name", "unix"])
def test_commands_and_scripts(redis, kind):
    address = {"unix": f"unix:{redis.socket}", "name": f"localhost:{redis.port}"}.get(kind)
    with client(redis, address=address) as c:
        c.until("up")
        assert c.ask("do", "SET", "k", "v") == {"event": "reply", "reply": "OK"}
        assert c.ask("do", "GET", "k")["reply"] == "v"
        assert c.ask("do", "GET", "none")["reply"] is None
        assert c.ask("do", "LPUSH", "k", "v")["kind"] == "invalid"
        assert c.ask("eval", "append-too", "list", "x")["reply"] == 1
        assert c.ask("eval", "append-too", "list", "y")["reply"] == 2
        assert c.ask("do", "LRANGE", "list", "0", "-1")["reply"] == ["x", "y"]


def test_large_values(redis):
    with client(redis) as c:
        c.until("up")
        for i in range(6):
            c.say("size", f"k{i}", 8 << 20)
        for i in range(6):
            assert c.until("reply", 30)["reply"] == "OK"
        assert c.ask("do", "GET", "k0", timeout=30)["reply"] == 8 << 20
        c.say("size", "k", 65 << 20)
        assert c.until("error")["kind"] == "invalid"


def test_a_script_that_does_not_compile(redis):
    with client(redis) as c:
        c.until("up")
        for _ in range(2):
            error = c.ask("eval", "broken", "k", "v")
            assert error["kind"] == "invalid"
            assert error["message"].startswith("broken: cannot be loaded: ERR Error compiling script")
        assert c.ask("eval", "append", "list", "x")["reply"] == 1


@pytest.mark.parametrize("every", [1, 7, 100])
def test_scripts_are_run_once_and_in_order_though_the_server_forgets_them(redis, every):
    with client(redis, window=2500) as c:
        c.until("up")
        assert c.ask("many", 1000, "list", every) == {"event": "many", "ok": 1000, "retry": 0, "refused": 0}
        assert numbers(c, "list") == list(range(1000))


def test_scripts_that_another_client_flushes(redis):
    with client(redis) as c:
        c.until("up")
        for n in range(30):
            c.say("many", 1000, f"list{n}")
            admin(redis, "SCRIPT", "FLUSH")
            assert c.until("many")["ok"] == 1000
            assert numbers(c, f"list{n}") == list(range(1000))


def test_window(redis):
    with client(redis, window=10) as c:
        c.until("up")
        assert c.ask("many", 100, "list") == {"event": "many", "ok": 10, "retry": 0, "refused": 90}
        assert c.ask("state") == {"event": "state", "up": True, "in_flight": 0}


def test_a_redis_that_is_killed_and_comes_back(redis):
    with client(redis) as c:
        c.until("up")
        assert c.ask("eval", "append", "list", "1")["reply"] == 1
        redis.kill()
        down = c.until("down")
        assert down["kind"] == "retry" and "lost" in down["message"]
        error = c.ask("do", "GET", "k")
        assert error["kind"] == "retry" and f"127.0.0.1:{redis.port}" in error["message"]
        redis.start()
        c.until("up")
        assert c.ask("eval", "append", "list", "2")["reply"] == 1  # the script is loaded anew


def test_killed_with_a_thousand_in_flight(redis):
    with client(redis) as c:
        c.until("up")
        redis.signal(signal.SIGSTOP)
        c.say("many", 1000, "list")
        assert c.ask("state") == {"event": "state", "up": True, "in_flight": 1000}
        redis.kill()
        assert c.until("many") == {"event": "many", "ok": 0, "retry": 1000, "refused": 0}
        c.until("down")


def test_a_stalled_redis_never_stalls_the_loop(redis):
    """Three times: a loop that Redis can stall is stalled each time, one that a busy machine delays is not."""
    timeout_ms, gaps = 600, []
    with client(redis, timeout_ms=timeout_ms) as c:
        for episode in range(3):
            while c.ask("many", 10, f"before{episode}")["ok"] != 10:
                c.until("up")
            redis.signal(signal.SIGSTOP)
            c.ask("gap")
            begin = time.monotonic()
            c.say("many", 900, "list")
            for i in range(4):
                c.say("size", f"k{i}", 2 << 20)  # more than the socket takes
            assert c.until("many") == {"event": "many", "ok": 0, "retry": 900, "refused": 0}
            assert time.monotonic() - begin >= timeout_ms / 1000 - 0.01
            assert "no answer within" in c.until("down")["message"]
            assert "not connected within" in c.until("down")["message"]  # it still listens, and greets nobody
            gaps.append(c.ask("gap")["ms"])
            redis.signal(signal.SIGCONT)
            c.until("up")
    print(f"widest gaps of a 10 ms tick while Redis was stopped: {gaps} ms")
    assert min(gaps) < 100


def test_acl_user(redis):
    admin(redis, "ACL", "SETUSER", "og", "on", ">secret", "~og:*", "+@all", "-@dangerous")
    with client(redis, "og", "wrong") as c:
        down = c.until("down")
        assert down["kind"] == "fatal" and "WRONGPASS" in down["message"]
        assert c.ask("do", "PING")["kind"] == "retry"
        admin(redis, "ACL", "SETUSER", "og", ">wrong")  # mended at the other end: it comes up by itself
        c.until("up")
    with client(redis, "og", "secret") as c:
        c.until("up")
        assert c.ask("do", "SET", "og:k", "v")["reply"] == "OK"
        for words in (["SET", "other", "v"], ["FLUSHALL"]):
            refused = c.ask("do", *words)
            assert refused["kind"] == "invalid" and "NOPERM" in refused["message"]
    admin(redis, "ACL", "SETUSER", "default", "off")
    with client(redis) as c:
        down = c.until("down")
        assert down["kind"] == "fatal" and "NOAUTH" in down["message"]


def test_a_user_who_may_not_load_scripts_is_told_so(redis):
    admin(redis, "ACL", "SETUSER", "og", "on", ">secret", "~*", "+@all", "-script|load")
    with client(redis, "og", "secret") as c:
        c.until("up")
        error = c.ask("eval", "append", "list", "1")
        assert error["kind"] == "invalid" and "cannot be loaded: NOPERM" in error["message"]


def test_out_of_memory_may_work_later(redis):
    with client(redis) as c:
        c.until("up")
        admin(redis, "CONFIG", "SET", "maxmemory", "100kb")
        for words in (["do", "SET", "k", "v"], ["eval", "set", "k", "v"]):
            error = c.ask(*words)
            assert error["kind"] == "retry" and "OOM" in error["message"]
        assert c.ask("do", "GET", "k")["reply"] is None
        admin(redis, "CONFIG", "SET", "maxmemory", "0")
        assert c.ask("eval", "set", "k", "v")["reply"] == "OK"


def test_a_server_that_takes_no_more_clients(redis):
    with client(redis) as c:
        c.until("up")
        admin(redis, "CONFIG", "SET", "maxclients", "1")
        with client(redis) as other:
            assert "max number of clients" in other.until("down")["message"]


def test_nobody_listens(redis):
    redis.stop()
    with client(redis) as c:
        for _ in range(3):
            down = c.until("down")
            assert down["kind"] == "retry" and "connection refused" in down["message"]
