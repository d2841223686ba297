"""All of a cluster with a gateway in front: RabbitMQ and Redis of this run, og-scheduler, og-worker on a stub engine, og-gateway. Imported
where it is needed."""

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from fleet import Fleet
from grid import CATALOGUE, TIER, Worker  # noqa: F401: tests take it from here
from services import Process, Redis, api, wait_for
from worker_rig import stub, stub_text  # noqa: F401: likewise

BUILD = Path(os.environ.get("OG_BUILD", Path(__file__).resolve().parents[2] / "build/asan"))
MODEL = TIER


class Answer:
    """A whole HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """Of a stream: what stands behind each `data:`."""
        return [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]

    @property
    def text(self):
        """Of a chat completion, streamed or not."""
        if "json" in self.headers["content-type"]:
            return self.json["choices"][0]["message"]["content"]
        chunks = [json.loads(event) for event in self.events if event != "[DONE]"]
        return "".join(choice["delta"].get("content") or "" for c in chunks for choice in c.get("choices", []))


class Gateway(Process):
    def __init__(self, root, name="one", *settings, key=None, environment=None):
        super().__init__()
        self.root, self.name, self.key = Path(root), name, key
        self.log = self.root / f"gateway-{name}.log"
        self.arguments = [word for setting in ("gateway.listen=127.0.0.1:0", *settings) for word in ("--set", setting)]
        self.environment = environment

    def start(self, until_ready=True):
        self.spawn([BUILD / "og-gateway", "--name", self.name, *self.arguments], self.environment, self.log)
        if until_ready:
            wait_for(f"gateway {self.name}", lambda: self.control().get("ready"), 20, self.process)
            self.port = self.control()["gateway"]["port"]
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def text(self):
        return self.log.read_text(errors="replace")

    def logged(self):
        """The access log: a dict a request."""
        lines = [line for line in self.text().splitlines() if " msg=request " in line or ' msg="request" ' in line]
        return [dict(re.findall(r'(\w+)=("[^"]*"|\S*)', line)) for line in lines]

    def control(self, verb="status", **more):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            try:
                s.connect(str(self.root / "run" / f"gateway-{self.name}.sock"))
                s.sendall(json.dumps({"verb": verb, **more}).encode() + b"\n")
                return json.loads(s.makefile().readline())
            except (OSError, ValueError):
                return {}

    def request(self, method, path, body=None, headers=None, timeout=60):
        """What it answers, whatever its status; `body`: bytes, or what becomes JSON."""
        sent = {"content-type": "application/json", **({"authorization": f"Bearer {self.key}"} if self.key else {})}
        sent.update(headers or {})
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, refused.headers, refused.read())

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    def chat(self, text, headers=None, **more):
        return self.post("/v1/chat/completions", ask(text, **more), headers=headers)

    def stop(self):
        """As an operator does; the sanitizers' word counts."""
        if self.process and self.alive():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(40)
        assert self.process.returncode in (0, -signal.SIGKILL), self.text()[-3000:]


def ask(text, model=MODEL, **more):
    """The body of a chat completion's request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


class Serving:
    """The whole of it, and what a test starts beside."""

    def __init__(self, root, name, stub, rabbit=None):
        self.fleet, self.stub = Fleet(root, name, rabbit=rabbit), stub
        (self.root / "catalogue.ini").write_text(CATALOGUE)
        self.fleet.cluster.run("apply")
        self.gateways, self.workers = [], []
        self.store = None

    @property
    def root(self):
        return self.fleet.cluster.root

    def worker(self, *args, wait="serving", **more):
        more.setdefault("engine", self.stub.url)
        w = Worker(self.root, *args, **more).start()
        self.workers.append(w)
        return w.wait_state(wait) if wait else w

    def gateway(self, name="one", *settings, until_ready=True, **more):
        g = Gateway(self.root, name, *settings, environment=self.fleet.environment, **more)
        self.gateways.append(g)
        return g.start(until_ready)

    def start_store(self):
        """The gateways' own Redis, as og-broker-config renders it; also where it was killed."""
        if not self.store:
            self.fleet.cluster.run("render", self.root)
            self.store = Redis(self.root / "store")
        self.store.spawn(["redis-server", str(self.root / "store/redis.conf")], log=self.store.log)
        wait_for("the store", self.store.socket.exists, 20, self.store.process)

    def begin(self, *settings):
        """A scheduler, a worker, and a gateway that asks this machine for no key."""
        self.fleet.scheduler()
        self.worker()
        g = self.gateway("one", "gateway.loopback_without_key=yes", *settings)
        wait_for("the worker to be heard", lambda: g.get("/v1/models").json["data"])
        return g

    def begin_with_keys(self, *settings):
        """The same with a store: the gateway `one` wants keys, and has the first, an administrator's."""
        self.start_store()
        self.fleet.scheduler()
        self.worker()
        self.one = self.gateway("one", *settings)
        kept = self.root / "secrets/gateway.key"
        wait_for("the first key", kept.exists, 10)
        self.first = self.one.key = kept.read_text().strip()
        wait_for("the worker to be heard", lambda: self.one.get("/v1/models").json["data"])
        return self

    def close(self):
        for g in self.gateways:
            g.stop()
        for w in self.workers:
            if w.alive():
                w.leave()
        self.fleet.close()
        if self.store:
            self.store.stop()


@pytest.fixture(scope="module")
def serving(tmp_path_factory, stub):
    """One for all tests of a file that only ask."""
    s = Serving(tmp_path_factory.mktemp("g") / "r", f"gate-{os.getpid()}", stub)
    yield s
    s.close()
    api("DELETE", f"/api/vhosts/{s.fleet.cluster.name}")


@pytest.fixture(scope="module")
def gateway(serving):
    return serving.begin()
