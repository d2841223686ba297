"""og against a real broker, and in place of scheduler and worker a grid that each test scripts. Imported where it is needed."""

import json
import os
import pty
import queue
import re
import select
import shutil
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pika
import pytest

from bundles import parts

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("OG_BUILD", REPO / "build/asan"))
OG = BUILD / "og"
VERSION = "1.0"
ESCAPE = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")


class Root:
    """A data root and the environment that belongs to it."""

    def __init__(self, folder, cluster, settings="", secrets_of=None):
        self.path, self.cluster = Path(folder), cluster
        self.path.mkdir(parents=True, exist_ok=True)
        if secrets_of:  # users belong to the broker, not to a cluster
            shutil.copytree(secrets_of.path / "secrets", self.path / "secrets")
        else:
            (self.path / "secrets").mkdir()
        (self.path / "config.ini").write_text(
            f"[cluster]\nid = {cluster}\n"
            f"[broker]\nendpoints = {os.environ['OG_TEST_AMQP']}\nmanagement = {os.environ['OG_TEST_MANAGEMENT']}\n"
            + settings
        )
        self.secret("admin", os.environ["OG_TEST_ADMIN_USER"], os.environ["OG_TEST_ADMIN_PASSWORD"])

    def secret(self, role, user, password):
        path = self.path / "secrets" / f"{role}.credentials"
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(f"{user} {password}\n")

    def credentials(self, role):
        return (self.path / "secrets" / f"{role}.credentials").read_text().split()

    def environment(self, **extra):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "OPENGATEWAY_", "NODE_", "LC_"))}
        return {**kept, "OPENGATEWAY_POC_ROOT": str(self.path), "LC_ALL": "C.UTF-8", **extra}

    def apply(self):
        done = subprocess.run(
            [BUILD / "og-broker-config", "apply"], env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return self

    def og(self, *args, env=None, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        if "input" in more:
            del more["stdin"]
        return subprocess.run(
            [OG, *args], env=self.environment(**(env or {})), capture_output=True, timeout=60, check=False, **more
        )

    def start(self, *args, **more):
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([OG, *args], env=self.environment(), stdin=subprocess.DEVNULL, **more)


class Grid(threading.Thread):
    """In place of scheduler and worker. `on_request(grid, properties, body)` and `on_rpc(grid, verb, body, properties)`
    may be set by a test; an RPC's answer is what on_rpc returns (None: no answer)."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root = root
        self.requests, self.rpcs = queue.Queue(), queue.Queue()
        self.on_request = self.on_rpc = None
        self.stopping = False
        self.ready = threading.Event()

    def connect(self, role):
        user, password = self.root.credentials(role)
        host, port = os.environ["OG_TEST_AMQP"].split(":")
        credentials = pika.PlainCredentials(user, password)
        return pika.BlockingConnection(
            pika.ConnectionParameters(host, int(port), self.root.cluster, credentials, heartbeat=0)
        )

    def run(self):
        self.connection, worker = self.connect("scheduler"), self.connect("worker")
        self.channels = {"scheduler": self.connection.channel(), "worker": worker.channel()}
        for channel in self.channels.values():
            channel.confirm_delivery()  # what two connections say arrives in the order in which it was said
        self.channels["scheduler"].basic_consume("og.jobs.intake", self.from_intake)
        self.channels["scheduler"].basic_consume("og.rpc", self.from_rpc)
        self.ready.set()
        while not self.stopping:
            self.connection.process_data_events(0.05)
        worker.close()
        self.connection.close()

    def from_intake(self, channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        for part, its_body in parts(properties, body):
            self.requests.put((part, its_body))
            if self.on_request:
                self.on_request(self, part, its_body)

    def from_rpc(self, channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        for part, its_body in parts(properties, body):
            self.answer_rpc(part, json.loads(its_body))

    def answer_rpc(self, properties, body):
        verb = properties.headers["og-verb"]
        self.rpcs.put((verb, body))
        answer = self.on_rpc(self, verb, body, properties) if self.on_rpc else None
        if answer is not None:
            self.say(properties.reply_to, "rpc", "rpc_reply", properties.message_id, json.dumps(answer).encode())

    def say(self, reply, what, kind, job, body=b"", **headers):
        role = "worker" if "attempt" in headers else "scheduler"
        self.channels[role].basic_publish(
            "og.replies",
            f"{reply}.{what}",
            body,
            pika.BasicProperties(
                type=kind,
                message_id=job,
                correlation_id=job,
                user_id=self.root.credentials(role)[0],
                headers={"og-version": VERSION, **{"og-" + k.replace("_", "-"): v for k, v in headers.items()}},
            ),
        )

    def chunk(self, request, text, seq, attempt=1, run=0):
        body = json.dumps({"choices": [{"delta": {"content": text}}]}).encode()
        self.say(request.reply_to, "chunk", "inference_chunk", request.message_id, body, seq=seq, attempt=attempt, run=run)

    def done(self, request, text, chunks=0, attempt=1, run=0):
        body = json.dumps({"response": {"object": "chat.completion"}, "text": text, "tier": "T"}).encode()
        headers = {"state": "done", "seq": chunks, "attempt": attempt, "run": run}
        self.say(request.reply_to, "done", "inference_response", request.message_id, body, **headers)

    def ended(self, request, state, kind, message):
        body = json.dumps({"error": {"type": kind, "message": message}}).encode()
        headers = {"state": state, "error": kind}
        self.say(request.reply_to, "done", "inference_response", request.message_id, body, **headers)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return Root(tmp_path_factory.mktemp("og"), "og-" + uuid.uuid4().hex[:8]).apply()


@pytest.fixture
def grid(root):
    g = Grid(root)
    g.start()
    assert g.ready.wait(10)
    yield g
    g.stopping = True
    g.join(10)
    assert not g.is_alive()


def answers(text, **more):
    """A script: one chunk a word, then done."""

    def script(grid, request, body):
        words = re.findall(r"\S+\s*", text)
        grid.say(request.reply_to, "placed", "placed", request.message_id, state="placed", tier="T", ahead=2)
        grid.say(request.reply_to, "started", "started", request.message_id, attempt=1, node_name="NodeB")
        for seq, word in enumerate(words):
            if request.headers.get("og-stream"):
                grid.chunk(request, word, seq)
        grid.done(request, text, len(words), **more)

    return script


def wait_request(grid):
    return grid.requests.get(timeout=20)[0]


def drain_intake(grid):
    while True:
        try:
            grid.requests.get(timeout=0.2)
        except queue.Empty:
            return


def on_terminal(root, *args, **env):
    """Runs og with stdout and stderr on one pseudo-terminal; (exit status, what it showed)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [OG, *args], env=root.environment(TERM="xterm", **env), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    end = time.monotonic() + 30
    while time.monotonic() < end and select.select([ours], [], [], 1)[0] or process.poll() is None:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        shown += piece
    os.close(ours)
    return process.wait(10), shown
