"""A gateway's store (store_driver) on a real Redis that writes before it answers. Imported where it is needed."""

import json
import signal
import socket
import uuid

import pytest
from driver import Driver
from services import Redis, wait_for

PREFIX = "og:st:"
NOON = 1790164800000  # 2026-09-23, 12:00 UTC


class Gateway(Driver):
    """One process's store."""

    def __init__(self, redis, lease_ms=30000, up=True):
        super().__init__("store_driver", f"unix:{redis.socket}", "", "", "st", lease_ms)
        if up:
            self.until("up")

    def tell(self, do, **more):
        self.say(json.dumps({"do": do, **more}))

    def call(self, do, timeout=10, **more):
        """The answer to one command, which has its name (or the one it is given)."""
        self.tell(do, **more)
        return self.until({"reserve": "reserved"}.get(do, do), timeout)

    def admin(self, verb, **request):
        event = self.call("admin", verb=verb, request=request)
        return event.get("answer", event)

    def new_key(self, **request):
        answer = self.admin("keys_create", name=request.pop("name", "k"), **request)
        assert "secret" in answer, answer
        return answer

    def reserve(self, tokens=10, job=None):
        """"" where it was booked, or the limit that refused it."""
        return self.call("reserve", job=job or str(uuid.uuid4()), tokens=tokens)

    def settle(self, job, prompt=3, completion=4, model="m", **more):
        self.tell("settle", job=job, model=model, prompt=prompt, completion=completion, **more)
        self.flush()

    def refund(self, job):
        self.tell("refund", job=job)
        self.flush()

    def flush(self):
        wait_for("the ledger", lambda: self.call("idle")["idle"], 10, self.process)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.tell("close")
            self.until("closed")
        assert self.process.wait(10) == 0


class Store(Redis):
    """Settings as og-broker-config renders them, without users."""

    def __init__(self, folder):
        super().__init__(folder, ["--appendfsync", "always"])

    def ask(self, *words):
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            f = s.makefile("rwb")
            f.write(f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in (str(w).encode() for w in words)))
            f.flush()
            return self.read(f)

    def read(self, f):
        kind, rest = (line := f.readline())[:1], line[1:-2]
        if kind == b"*":
            return [self.read(f) for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else f.read(int(rest) + 2)[:-2].decode()
        assert kind != b"-", rest
        return int(rest) if kind == b":" else rest.decode()

    def meter(self, scope):
        flat = self.ask("HGETALL", f"{PREFIX}meter:{scope}")
        return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.fixture
def redis(tmp_path):
    store = Store(tmp_path / "s").start()
    yield store
    store.stop()


@pytest.fixture
def gateway(redis):
    with Gateway(redis) as g:
        yield g
