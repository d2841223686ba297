"""The others of a worker's cluster, each played by the test: the scheduler that places jobs and hears presence, the producer that
listens, and the worker itself as a process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pika

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import REPO, Cluster  # noqa: E402
from services import Process, wait_for  # noqa: E402

BUILD = Path(os.environ.get("OG_BUILD", REPO / "build/asan"))
LEASE = "ab" * 32
CATALOGUE = """[tier SmolLM2-135M]
cpu_cores = 1
ram_gib = 0.5
vram_gib = 0
disk_gib = 0.5
aliases = smol
engine_model = smollm2-135m
[tier Huge]
cpu_cores = 4096
ram_gib = 1
vram_gib = 0
disk_gib = 1
engine_model = huge
capabilities = thinking, tools
"""
TIER, TIER_QUEUE = "SmolLM2-135M", "og.tier.smollm2-135m"


class Heard:
    """One message, as a test looks at it."""

    def __init__(self, method, properties, body):
        self.what = method.routing_key.rsplit(".", 1)[-1]
        self.type, self.id, self.headers = properties.type, properties.message_id, properties.headers or {}
        self.persistent, self.user = properties.delivery_mode == 2, properties.user_id
        self.reply_to = properties.reply_to
        self.at, self.raw = time.monotonic(), body

    @property
    def body(self):
        return json.loads(self.raw)

    @property
    def text(self):
        """Of an answer."""
        choice = self.body["response"]["choices"][0]
        return choice["message"]["content"] if "message" in choice else choice["text"]

    def __repr__(self):
        return f"<{self.what} {self.headers.get('og-state', '')} {self.raw[:200]!r}>"


class Grid:
    def __init__(self, cluster):
        self.cluster = cluster
        self.reply = f"{cluster.credentials('producer')[0]}~{uuid.uuid4().hex}"
        self.heard, self.presence, self.states, self.retries = [], [], [], []
        self.producer, self.scheduler = cluster.connect_as("producer"), cluster.connect_as("scheduler")
        self.work, self.replies = self.scheduler.channel(), self.producer.channel()
        self.listen(self.replies, f"og.reply.{self.reply}", "og.replies", f"{self.reply}.*", self.heard)
        self.user = user = cluster.credentials("scheduler")[0]
        self.listen(self.work, f"og.presence.{user}~test", "og.presence", "", self.presence)
        self.work.basic_consume("og.state", self.collector(self.states))
        self.work.basic_consume("og.retry", self.collector(self.retries))
        self.work.confirm_delivery()

    def listen(self, channel, queue, exchange, key, into):
        channel.queue_declare(queue, exclusive=True, auto_delete=True)
        channel.queue_bind(queue, exchange, key)
        channel.basic_consume(queue, self.collector(into))

    @staticmethod
    def collector(into):
        def collect(channel, method, properties, body):
            into.append(Heard(method, properties, body))
            channel.basic_ack(method.delivery_tag)

        return collect

    def pump(self, seconds=0.01):
        self.scheduler.process_data_events(0)
        self.producer.process_data_events(seconds)

    def until(self, what, predicate, timeout=20):
        def once():
            self.pump()
            return predicate()

        wait_for(what, once, timeout)

    def place(self, body, job=None, key="smollm2-135m", kind="inference_request", **headers):
        """A job as a scheduler places it; its id."""
        job = job or str(uuid.uuid4())
        values = {"version": "1.0", "tier": TIER, "attempt": 1, "epoch": 42, "lease": LEASE, "stream": 1}
        values["accepted"] = int(time.time() * 1000)
        values.update(headers)
        self.work.basic_publish(
            "og.work",
            key,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            pika.BasicProperties(
                type=kind, message_id=job, correlation_id=job, reply_to=self.reply, delivery_mode=2,
                headers={f"og-{k}": v for k, v in values.items() if v is not None},
            ),
            mandatory=True,
        )  # fmt: skip
        return job

    def ask(self, text, job=None, **headers):
        return self.place({"messages": [{"role": "user", "content": text}]}, job, **headers)

    def of(self, job, what=None):
        return [m for m in self.heard if m.id == job and what in (None, m.what)]

    def done(self, job, timeout=20):
        self.until(f"the done of {job}", lambda: self.of(job, "done"), timeout)
        return self.of(job, "done")[0]

    def handed_back(self, job, timeout=20):
        """The job as its worker gave it back."""

        def found():
            return [m for m in self.retries if m.id == job and m.type == "inference_request"]

        self.until(f"the hand-back of {job}", found, timeout)
        return found()[0]

    def ended(self, job, timeout=20):
        """How its worker was done with it: answered, or handed back."""
        self.until(f"the end of {job}", lambda: self.of(job, "done") or [m for m in self.retries if m.id == job], timeout)
        return self.done(job) if self.of(job, "done") else self.handed_back(job)

    def control(self, kind, key, body=b"{}", job=None, reply=None, **headers):
        self.work.basic_publish(
            "og.control", key, body,
            pika.BasicProperties(
                type=kind, message_id=job or str(uuid.uuid4()), user_id=self.user, reply_to=reply,
                headers={"og-" + k.replace("_", "-"): v for k, v in {"version": "1.1", **headers}.items()},
            ),
        )  # fmt: skip

    def tell(self, worker, kind, **more):
        """To this worker alone."""
        self.control(kind, "worker." + re.sub("[^a-z0-9-]", "_", worker.status()["worker"].lower()), **more)

    def cancel(self, job):
        self.control("cancel", "tier.smollm2-135m", job=job)

    def tell_members(self, *members):
        listed = [{"id": i, "name": n, "serve": True} for i, n in members]
        self.control("membership", "all", json.dumps({"version": 1, "count": len(listed), "members": listed}).encode())

    def count(self, queue):
        return self.work.queue_declare(queue, passive=True).method.message_count

    def readers(self, queue):
        return self.work.queue_declare(queue, passive=True).method.consumer_count

    def close(self):
        for connection in (self.producer, self.scheduler):
            if connection.is_open:
                connection.close()


class Worker(Process):
    def __init__(self, root, *args, name="NodeA", engine="", serve=True, kind="openai", **env):
        super().__init__()
        self.root, self.args = Path(root), args
        self.key = name.lower()
        self.log = self.root / f"{self.key}-{uuid.uuid4().hex[:6]}.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OG_E", "OG_B", "POC_", "NODE_NAME"))}
        self.env = {**kept, "OPENGATEWAY_POC_ROOT": str(root), "NODE_NAME": name, "POC_SERVE": "1" if serve else "0"}
        self.env.update({"OG_ENGINE_URL": engine, "OG_ENGINE_KIND": kind, **env})

    def start(self):
        self.spawn([BUILD / "og-worker", *map(str, self.args)], self.env, self.log)
        return self

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_log(self, text, timeout=20):
        wait_for(f"'{text}' in {self.log}", lambda: text in self.text(), timeout, self.process)

    def status(self):
        """What its control socket says; None where there is none."""
        for path in sorted((self.root / "nodes" / self.key).glob("worker-*.sock")):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                try:
                    s.connect(str(path))
                    s.sendall(b'{"verb":"status"}\n')
                    with s.makefile() as lines:
                        answer = json.loads(lines.readline())
                except OSError:
                    continue
            if answer["pid"] == self.process.pid:
                return answer
        return None

    def wait_state(self, state, timeout=20):
        def has():
            answer = self.status()
            # What it is told through the broker reaches it once both its connections stand.
            return answer and answer["state"] == state and (state != "serving" or answer["broker"]["connected"])

        wait_for(f"the worker's state {state}", has, timeout, self.process)
        return self

    def leave(self):
        """As an operator stops it; the sanitizers' word counts as well."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(40)
        assert self.process.returncode == 0, self.text()[-3000:]

    def kill(self):
        self.process.kill()
        self.process.wait()


def new_cluster(root):
    c = Cluster(root, f"w-{uuid.uuid4().hex[:8]}")
    (c.root / "catalogue.ini").write_text(CATALOGUE)
    c.run("apply")
    return c


def run_worker(worker, **more):
    """Runs og-worker to its end: what it wrote, and its status."""
    worker.start()
    try:
        worker.process.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        raise
    return worker.text(), worker.process.returncode
