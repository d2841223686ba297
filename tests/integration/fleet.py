"""What stands around og-scheduler in its tests: a cluster with a Redis of its own, producers and workers that a test drives.

Producers and workers speak AMQP by pika, as a stranger would who has read docs/PROTOCOL.md."""

import json
import os
import secrets
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pika
from services import Redis, wait_for

from cluster import Cluster

REPO = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("OG_BUILD", REPO / "build/asan")) / "og-scheduler"
CATALOGUE = "".join(
    f"[tier {name}]\ncpu_cores = 1\nram_gib = 1\nvram_gib = 0\ndisk_gib = 1\naliases = {alias}\n"
    for name, alias in (("Small-1B", "small"), ("Large-7.5B", "large"))
)
SMALL, LARGE = "small-1b", "large-7_5b"


class Scheduler:
    def __init__(self, fleet, name, *settings):
        self.name, self.fleet = name, fleet
        self.log = fleet.cluster.root / f"scheduler-{name}.log"
        arguments = [word for setting in settings for word in ("--set", setting)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--name", name, "--set", "log.level=debug", *arguments],
                env=fleet.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def control(self, verb="status"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(str(self.fleet.cluster.root / "run" / f"scheduler-{self.name}.sock"))
            s.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def status(self):
        try:
            return self.control()
        except (OSError, ValueError):
            return {}

    def state(self):
        return self.status().get("status", "")

    def until(self, what, timeout=20):
        wait_for(f"{self.name} {what}\n{self.tail()}", lambda: self.state().startswith(what), timeout, self.process)
        return self

    def tail(self):
        return self.log.read_text()[-3000:] if self.log.exists() else ""

    def stop(self):
        """SIGTERM; what it leaves behind is judged by the sanitizers, whose word is its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(15)
        assert status == 0, f"{self.name} ended with {status}\n{self.tail()}"

    def kill(self):
        self.process.kill()
        self.process.wait()


class Fleet:
    """A cluster of its own: vhost, root, Redis, no scheduler yet."""

    def __init__(self, root, name, settings="", rabbit=None):
        """Without `rabbit`: on the broker of services.py."""
        password = secrets.token_hex(8)
        self.redis = Redis(Path(root) / "redis", ["--user", "scheduler", "on", f">{password}", "~og:*", "+@all"]).start()
        broker = {"amqp": f"127.0.0.1:{rabbit.port}", "management": rabbit.management} if rabbit else {}
        self.cluster = Cluster(root, name, settings=f"[redis]\naddress = unix:{self.redis.socket}\n{settings}", **broker)
        if rabbit:
            self.cluster.secret("admin", rabbit.admin, rabbit.password)
        (self.cluster.root / "catalogue.ini").write_text(CATALOGUE)
        self.cluster.secret("scheduler", "scheduler", password)
        self.cluster.run("apply")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "OPENGATEWAY_", "NODE_"))}
        self.environment = {**kept, "OPENGATEWAY_POC_ROOT": str(self.cluster.root), "OG_BUILD": str(PROGRAM.parent)}
        self.schedulers, self.clients = [], []
        self.looker = None  # the connection that looks at queues

    def scheduler(self, name="one", *settings, until="leading"):
        s = Scheduler(self, name, *settings)
        self.schedulers.append(s)
        return s.until(until) if until else s

    def invite(self, node):
        """A node of its own tenant: its credentials."""
        line, _ = self.cluster.run("invite", node, "--endpoints", "broker:5672")
        return line

    def client(self, c):
        """Is closed with the fleet."""
        self.clients.append(c)
        return c

    def producer(self, role="producer", user=None):
        return self.client(Producer(self.cluster, user or self.cluster.credentials(role)))

    def worker(self, name="NodeA", tier="Small-1B", slots=2, **more):
        return self.client(Worker(self.cluster, name, tier, slots, **more))

    def keys(self, *words):
        """One command to Redis, as its owner."""
        done = subprocess.run(
            ["redis-cli", "-s", str(self.redis.socket), *map(str, words)], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    def depth(self, queue):
        """How many messages wait in it (those that somebody holds are not counted)."""
        if not self.looker:
            self.looker = self.cluster.connect_as("scheduler")
        channel = self.looker.channel()
        count = channel.queue_declare(queue, passive=True).method.message_count
        channel.close()
        return count

    def record(self, job):
        flat = self.keys("HGETALL", f"og:{self.cluster.name}:job:{job}")
        return dict(zip(flat[::2], flat[1::2]))

    def ended(self, job):
        """Its record, once it has ended: an answer is there some milliseconds before its record is."""
        wait_for(f"the record of {job}", lambda: "ended_ms" in self.record(job), 10)
        return self.record(job)

    def close(self):
        for client in self.clients:
            client.close()
        if self.looker and self.looker.is_open:
            self.looker.close()
        for s in self.schedulers:
            if s.process.poll() is None:
                s.stop()
        self.redis.stop()


class Client(threading.Thread):
    """A connection and its thread; `do` runs a function there."""

    def __init__(self, cluster, credentials):
        super().__init__(daemon=True)
        self.user = credentials[0]
        self.connection = cluster.connect(*credentials)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.stopping = False

    def run(self):
        while not self.stopping:
            self.connection.process_data_events(0.01)

    def do(self, function):
        done, result = threading.Event(), []

        def run():
            try:
                result.append(function())
            except Exception as error:  # handed to the caller
                result.append(error)
            done.set()

        self.connection.add_callback_threadsafe(run)
        assert done.wait(20), "the client's thread does not answer"
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]

    def publish(self, exchange, key, body=b"", mandatory=False, **properties):
        headers = {"og-version": "1.0", **properties.pop("headers", {})}
        self.channel.basic_publish(
            exchange,
            key,
            body,
            pika.BasicProperties(**{"user_id": self.user, **properties}, headers=headers),
            mandatory=mandatory,
        )

    def close(self):
        if self.is_alive():
            self.stopping = True
            self.join()
        if self.connection.is_open:
            self.connection.close()


class Message:
    def __init__(self, what, properties, body):
        self.what, self.type, self.id = what, properties.type, properties.correlation_id
        self.headers, self.body = properties.headers or {}, body
        self.at = time.monotonic()

    def __repr__(self):
        return f"{self.what} {self.headers.get('og-state', '')} {self.body[:80]!r}"

    @property
    def state(self):
        return self.headers.get("og-state")

    @property
    def json(self):
        return json.loads(self.body)


class Producer(Client):
    def __init__(self, cluster, credentials):
        super().__init__(cluster, credentials)
        self.reply = f"{self.user}~{secrets.token_hex(16)}"
        queue = f"og.reply.{self.reply}"
        self.channel.queue_declare(queue, exclusive=True, auto_delete=True)
        self.channel.queue_bind(queue, "og.replies", f"{self.reply}.*")
        self.channel.basic_consume(queue, self.on_message, auto_ack=True)
        self.messages = []
        self.start()

    def on_message(self, _channel, method, properties, body):
        self.messages.append(Message(method.routing_key.rsplit(".", 1)[1], properties, body))

    def submit(self, body=b'{"prompt":"hello"}', job=None, reply=None, **headers):
        """Submits a job; headers by name without og-. Confirmed when it returns; its id."""
        job = job or str(uuid.uuid4())
        headers = {"og-" + k.replace("_", "-"): v for k, v in headers.items()}
        properties = {"type": "inference_request", "message_id": job, "correlation_id": job, "delivery_mode": 2}
        self.do(
            lambda: self.publish(
                "og.jobs", "job", body, mandatory=True, reply_to=reply or self.reply, headers=headers, **properties
            )
        )
        return job

    def of(self, job, *whats):
        return [m for m in self.messages if m.id == job and (not whats or m.what in whats)]

    def wait(self, job, *whats, timeout=15):
        """The first message of that kind about the job; of its end where no kind is given."""
        whats = whats or ("done", "result")
        wait_for(f"{whats} of {job}: {self.of(job)}", lambda: self.of(job, *whats), timeout)
        return self.of(job, *whats)[0]

    def ask(self, verb, timeout=15, wait=True, **body):
        question = str(uuid.uuid4())
        self.do(
            lambda: self.publish(
                "og.rpc",
                "rpc",
                json.dumps(body).encode(),
                type="rpc_request",
                message_id=question,
                reply_to=self.reply,
                headers={"og-verb": verb},
            )
        )
        return self.wait(question, "rpc", timeout=timeout).json if wait else question


class Worker(Client):
    """Takes jobs and holds them until the test finishes them; with `echo` it answers each at once."""

    def __init__(self, cluster, name, tier, slots, echo=False, role="worker", serve=True, beats=True, context=0):
        super().__init__(cluster, cluster.credentials(role))
        self.node, self.instance = str(uuid.uuid4()), str(uuid.uuid4())
        self.name, self.tier, self.slots, self.echo, self.serve = name, tier, slots, echo, serve
        self.worker = f"{name}/{tier}/1"
        self.key = "".join(c if c.isalnum() or c == "-" else "_" for c in self.worker.lower())
        self.tier_key = tier.lower().replace(".", "_")
        self.held, self.taken, self.cancels, self.members, self.controls = {}, [], [], [], []
        self.node_queue = False
        self.kept = []  # what another connection of it had been given, and it runs on
        self.runs_redelivered = True  # a worker proper does not, nor says so: it hands it back
        self.draining, self.beats, self.leave = False, beats, True
        self.context = context
        self.spoke = 0
        control = f"og.control.{self.user}~{self.key}"
        self.channel.queue_declare(control, exclusive=True, auto_delete=True)
        for key in ("all", f"node.{self.node}", f"tier.{self.tier_key}", f"worker.{self.key}"):
            self.channel.queue_bind(control, "og.control", key)
        self.channel.basic_consume(control, self.on_control, auto_ack=True)
        if serve:
            self.channel.basic_qos(prefetch_count=slots)
            self.channel.basic_consume(f"og.tier.{self.tier_key}", self.on_job)
        self.say_presence()
        self.start()

    def run(self):
        while not self.stopping:
            self.connection.process_data_events(0.01)
            if self.beats and time.monotonic() - self.spoke > 0.5:
                self.say_presence()

    def say_presence(self, **more):
        self.spoke = time.monotonic()
        said = {
            "version": 1,
            "node_id": self.node,
            "node_name": self.name,
            "worker": self.worker if self.serve else "",
            "instance": self.instance,
            "serve": self.serve,
            "tier": self.tier if self.serve else "",
            "model": self.tier,
            "engine": "test",
            "region": "",
            "program_version": "0",
            "slots": self.slots,
            "tokens_per_s": 1.5,
            "started_ms": 1,
            "draining": self.draining,
            "leaving": False,
            "node_queue": self.node_queue,
            "context": self.context,
            "running": [self.running(p) for _, p, _ in [*self.held.values(), *self.kept] if self.runs(p)],
            **more,
        }
        self.publish("og.presence", "", json.dumps(said).encode(), type="presence")

    def runs(self, p):
        return self.runs_redelivered or not p.headers.get("x-delivery-count")

    @staticmethod
    def running(p):
        h = p.headers
        placement = {"attempt": h["og-attempt"], "epoch": h["og-epoch"], "lease": h["og-lease"][:16]}
        return {"id": p.message_id, "run": h.get("x-delivery-count", 0), "started_ms": 1, **placement}

    def on_control(self, _channel, _method, properties, body):
        self.controls.append((properties.type, properties))
        if properties.type == "cancel":
            self.cancels.append(properties.message_id)
        elif properties.type in ("drain", "undrain"):
            self.draining = properties.type == "drain"
            self.say_presence()
        elif properties.type == "membership":
            self.members.append(json.loads(body))
        elif properties.type == "node_queue" and not self.node_queue:
            self.node_queue = True
            self.connection.add_callback_threadsafe(self.read_own_queue)

    def read_own_queue(self):
        self.channel.basic_qos(prefetch_count=1)
        self.channel.basic_consume(f"og.node.{self.user}~{self.key}", self.on_job)
        self.say_presence()

    def on_job(self, _channel, method, properties, body):
        self.taken.append(properties.message_id)
        self.held[properties.message_id] = (method.delivery_tag, properties, body)
        if self.echo:
            self.settle(properties.message_id)
        else:
            self.say_presence()

    def settle(self, job, state="done", body=None, ack=True, user_id=None, **headers):
        tag, p, request = self.held.pop(job)
        echoed = {k: p.headers[k] for k in ("og-lease", "og-epoch", "og-attempt")}
        text = {"text": request.decode()} if state == "done" else {"error": {"type": "engine_error", "message": "no"}}
        run = p.headers.get("x-delivery-count", 0)
        named = {"og-node": self.node, "og-node-name": self.name, "og-worker": self.worker, "og-run": run, "og-run-ms": 5}
        self.publish(
            "og.replies",
            f"{p.reply_to}.done",
            body or json.dumps(text).encode(),
            type="inference_response",
            message_id=job,
            correlation_id=job,
            delivery_mode=2,
            headers={**echoed, **named, "og-state": state, **{"og-" + k: v for k, v in headers.items()}},
        )
        if ack:
            self.channel.basic_ack(tag)
        if not self.echo:
            self.say_presence()

    def hand_back(self, job, error, reason="in words", ack=True, node=None, **headers):
        """Gives it back to og.retry, as a worker does that cannot finish it."""
        wait_for(f"{self.name} to hold {job}", lambda: job in self.held, 10)

        def give():
            tag, p, request = self.held.pop(job)
            told = {"og-error": error, "og-reason": reason, "og-run": p.headers.get("x-delivery-count", 0)}
            named = {"og-node": node or self.node, "og-node-name": self.name, "og-worker": self.worker}
            kept = {k: v for k, v in p.headers.items() if not k.startswith("x-")}
            self.publish(
                "og.retry",
                "retry",
                request,
                mandatory=True,
                type=p.type,
                message_id=job,
                correlation_id=job,
                reply_to=p.reply_to,
                content_type=p.content_type,
                delivery_mode=2,
                headers={**kept, **told, **named, **{"og-" + k.replace("_", "-"): v for k, v in headers.items()}},
            )
            if ack:
                self.channel.basic_ack(tag)
            self.say_presence()

        self.do(give)

    def run_alone(self, job):
        """Says that it begins to run a suspect, with nothing beside it."""
        _, p, _ = self.held[job]
        placement = {k: p.headers[k] for k in ("og-lease", "og-epoch", "og-attempt")}
        self.do(
            lambda: self.publish(
                "og.retry", "retry", type="alone", message_id=job, delivery_mode=2, headers={**placement, "og-node": self.node}
            )
        )

    def lose_deliveries(self):
        """As when its connection was cut, and made again: what it runs it runs on."""
        self.kept, self.held = [*self.held.values()], {}
        self.channel.close()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.say_presence()

    def settle_kept(self, job):
        kept = next(k for k in self.kept if k[1].message_id == job)
        self.kept.remove(kept)
        self.held[job] = kept
        self.settle(job, ack=False)

    def headers(self, job):
        """Of the placement that it holds."""
        wait_for(f"{self.name} to hold {job}", lambda: job in self.held, 20)
        return self.held[job][1].headers

    def finish(self, job, *args, **more):
        wait_for(f"{self.name} to hold {job}", lambda: job in self.held, 10)
        self.do(lambda: self.settle(job, *args, **more))

    def holds(self, *jobs, timeout=10):
        wait_for(f"{self.name} to hold {jobs}, it holds {list(self.held)}", lambda: set(jobs) == set(self.held), timeout)

    def vanish(self):
        """As a killed process: the connection goes, without a word."""
        self.leave = False
        self.close()

    def close(self):
        if self.is_alive() and self.leave and self.connection.is_open:
            self.do(lambda: self.say_presence(leaving=True))
        super().close()
