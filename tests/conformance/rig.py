"""A whole network for the clients: RabbitMQ, Redis, og-scheduler, og-gateway, and workers before the real model and before a stub
engine, for what the model cannot do or a test must hold up. Programs come from $OG_BUILD (default build/release)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from network import REPO, Network  # noqa: E402
from services import Process, Rabbit, Redis, free_port, wait_for  # noqa: E402
from stub_engine import StubEngine  # noqa: E402

BUILD = Path(os.environ.get("OG_BUILD", REPO / "build/release"))
ENGINE_PYTHON = REPO / "build/venv/bin/python"  # it has the packages of scripts/engine/requirements.txt
MODEL, STUB, NOBODYS = "SmolLM2-135M", "Stub-1B", "Nobodys-1B"


def tier(name, aliases, engine_model):
    least = "cpu_cores = 1\nram_gib = 0.1\nvram_gib = 0\ndisk_gib = 0.1\n"
    return f"[tier {name}]\n{least}aliases = {aliases}\nengine_model = {engine_model}\n"


CATALOGUE = tier(MODEL, "smol", "smollm2-135m") + tier(STUB, "stub", "stub") + tier(NOBODYS, "nobody", "nobodys")


class Engine(Process):
    """The default engine with the real model."""

    def __init__(self, folder, *options):
        super().__init__()
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rsplit(":", 1)[1]
        self.spawn(
            [ENGINE_PYTHON, REPO / "scripts/engine/og-engine", "--port", port, *options], log=folder / "engine.log"
        )

    def ready(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


class Conformance(Network):
    """`url` is the gateway's for clients on this machine, without a key; `locked_url` is that of one that wants a key, `key` the first one."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="og-conf-"))
        # One thread: llama.cpp's spin while they wait for each other, which is slow where others want the cores.
        self.engine = Engine(self.folder, "--threads", "1", "--embedding")
        self.stub = StubEngine(self.folder, models="stub", slots=4)
        self.services = [Rabbit(self.folder / "rabbit"), Redis(self.folder / "redis")]

    def start_all(self):
        for service in (*self.services, self.stub):
            service.start()
        settings = "kind = openai\n[worker]\nslots = 2\n"
        super().__init__(self.folder / "r", "conformance", BUILD, *self.services, settings, catalogue=CATALOGUE)
        self.start_store()
        wait_for("the engine", self.engine.ready, 120, self.engine.process)
        self.start("og-scheduler")
        self.start("og-worker", "--tier", MODEL, "--set", f"engine.url={self.engine.url}", name="worker-model")
        self.start(
            "og-worker", "--tier", STUB, "--slots", "4", "--set", f"engine.url={self.stub.url}", name="worker-stub"
        )
        private = "gateway.webhooks_private=yes"  # the receivers are here, and whichever gateway comes first tells them
        self.url = self.gateway("open", "gateway.loopback_without_key=yes", private)
        self.locked_url = self.gateway("locked", private)
        first = self.root / "secrets/gateway.key"
        wait_for("the first key", first.exists, 20)
        self.key = first.read_text().strip()
        wait_for("both workers to serve", self.all_serve, 60)
        return self

    def gateway(self, name, *settings):
        port = free_port()
        words = [word for s in (f"gateway.listen=127.0.0.1:{port}", *settings) for word in ("--set", s)]
        self.start("og-gateway", "--name", name, *words, name=f"gateway-{name}")
        return f"http://127.0.0.1:{port}"

    def request(self, method, path, body=None):
        """Of our own surface, as an administrator."""
        sent = {"content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, sent, method=method), timeout=30) as answer:
            return json.loads(answer.read())

    def new_key(self, name, *options):
        return self.command("og", "keys", "create", name, *options).strip()

    def all_serve(self):
        try:
            return all(t["slots"] > 0 for t in self.json("tiers")["tiers"] if t["id"] != NOBODYS)
        except RuntimeError:
            return False

    def close(self):
        if hasattr(self, "processes"):
            self.stop()
        for service in (self.engine, self.stub):
            service.end(15, 10)
        for service in self.services:
            if service.process:
                service.stop()
        if os.environ.get("OG_KEEP"):
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def case(name, endpoint, *parameters, by_stub=False):
    """One case of a Node client's script as a parameter of its test."""
    marks = [pytest.mark.covers(endpoint, *parameters), *([pytest.mark.by_stub] if by_stub else [])]
    return pytest.param(name, id=name, marks=marks)


def node(script, case, **environment):
    """Runs one case of a Node client's script; what it threw is the failure."""
    done = subprocess.run(
        ["node", Path(__file__).parent / "node" / script, case], env={**os.environ, **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
