"""What the tests of webhooks stand on: a gateway that is quick to send again, a receiver, and tenants with a webhook at it."""

import itertools
import os
import subprocess

import pytest
from gateway_rig import MODEL, Serving, ask
from receiver import Receiver, verified
from services import wait_for

V1 = "/api/v1"
QUICK = ("gateway.webhooks_private=yes", "gateway.webhook_backoff=50ms", "gateway.webhook_attempts=4", "gateway.webhook_timeout=2s")
numbers = itertools.count()


@pytest.fixture(scope="module")
def rig(tmp_path_factory, stub):
    serving = Serving(tmp_path_factory.mktemp("gw") / "r", f"gw-{os.getpid()}", stub)
    yield serving.begin_with_keys(*QUICK)
    serving.close()


@pytest.fixture(scope="module")
def receiver():
    r = Receiver()
    yield r
    r.stop()


class Tenant:
    """One of its own for each test, with a webhook at the receiver."""

    def __init__(self, rig, receiver, *events, url=None):
        n = next(numbers)
        self.g, self.receiver, self.name, self.path = rig.one, receiver, f"tenant-{n}", f"/hook-{n}"
        self.key = self.new_key()
        self.headers = {"authorization": f"Bearer {self.key['secret']}"}
        made = self.post(f"{V1}/webhooks", {"url": url or receiver.url(self.path), **({"events": events} if events else {})})
        assert made.status == 201, made.body
        self.hook, self.secret = made.json["id"], made.json["secret"]

    def new_key(self, **more):
        made = self.g.post(f"{V1}/keys", {"name": f"of {self.name}", "tenant": self.name, **more})
        assert made.status == 201, made.body
        return made.json

    def post(self, path, body, at=None):
        return (at or self.g).post(path, body, headers=self.headers)

    def get(self, path, at=None):
        return (at or self.g).get(path, headers=self.headers)

    def respond(self, text, at=None, **more):
        made = self.post("/v1/responses", {"model": MODEL, "input": text, "background": True, **more}, at)
        assert made.status == 200 and made.json["status"] == "queued", made.body
        return made.json["id"]

    def job(self, text, at=None, **more):
        made = self.post(f"{V1}/jobs", ask(text, **more), at)
        assert made.status == 202, made.body
        return made.json["id"]

    def told(self, n, timeout=20):
        """The first n that came, each with a signature that is right."""
        wait_for(f"{n} deliveries at {self.path}", lambda: len(self.receiver.at(self.path)) >= n, timeout)
        return [verified(self.secret, d.headers, d.body) for d in self.receiver.at(self.path)[:n]]

    def deliveries(self, state, n=None, timeout=20, at=None):
        def listed():
            return self.get(f"{V1}/webhooks/{self.hook}/deliveries?state={state}", at).json["data"]

        if n is not None:
            wait_for(f"{n} to be {state}", lambda: len(listed()) == n, timeout)
        return listed()


def store(rig, *words, who="gateway"):
    user, password = (rig.root / f"secrets/{who}.credentials").read_text().split()
    cli = ["redis-cli", "-s", str(rig.store.socket), "--no-auth-warning", "--user", user, "--pass", password]
    return subprocess.run([*cli, *map(str, words)], capture_output=True, text=True, timeout=20, check=True).stdout.strip()
