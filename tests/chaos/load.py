"""The load, and the ledger of what was accepted: every job that the broker confirmed, and every end of it that its submitter read."""

import hashlib
import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field

import pika

TERMINAL = {"done", "failed", "cancelled", "expired", "dead", "busy", "no_capacity"}
ASK_AGAIN_S = 5


@dataclass
class End:
    at: float
    what: str  # done, result: told by itself; rpc: an answer to a question
    state: str
    error: str
    digest: str  # of the answer's text, so that two answers can be told apart
    body: bytes


@dataclass
class Job:
    id: str
    body: bytes
    headers: dict
    wants: frozenset
    submitted: float = 0.0
    accepted: float = 0.0
    asked: float = 0.0  # when it was last asked for by RPC
    ends: list = field(default_factory=list)
    chunks: list = field(default_factory=list)  # (attempt, run, seq)
    told: list = field(default_factory=list)  # headers of placed and started
    sessions: int = 0  # of its submitter, since it was submitted
    left: bool = False  # its submitter went, and waits no more

    @property
    def text(self):
        return json.loads(self.body)["messages"][0]["content"]


def digest(body):
    """Of what the user reads: the text, or the error's type."""
    try:
        said = json.loads(body)
        if "response" in said:
            choice = said["response"]["choices"][0]
            said = choice["message"]["content"] if "message" in choice else choice["text"]
        else:
            said = said.get("text", said.get("error", {}).get("type"))
    except (ValueError, LookupError, TypeError, AttributeError):
        said = repr(body)
    return hashlib.sha256(str(said).encode()).hexdigest()[:16]


class Ledger:
    def __init__(self):
        self.jobs, self.lock = {}, threading.Lock()

    def new(self, job):
        with self.lock:
            self.jobs[job.id] = job
        return job

    def accepted(self):
        with self.lock:
            return [job for job in self.jobs.values() if job.accepted]

    def open(self, left=False):
        """What waits for its end; `left`: also what nobody waits for any more."""
        return [job for job in self.accepted() if not job.ends and (left or not job.left)]

    def ended(self, job, what, state, error, body):
        with self.lock:
            job.ends.append(End(time.monotonic(), what, state, error, digest(body), body))


class Submitter(threading.Thread):
    """One user's program: submits `rate` jobs a second, reads its answers, and lives through every fault as og does: what was not confirmed
    goes out again under its id, and what is open is asked for on the new reply key."""

    def __init__(self, ledger, connect, user, make, rate):
        """`connect` gives a pika connection, `make` the next job or None, when there are enough."""
        super().__init__(daemon=True)
        self.ledger, self.connect, self.user, self.make, self.rate = ledger, connect, user, make, rate
        self.over, self.submitting, self.idle = threading.Event(), True, False
        self.mine, self.unconfirmed, self.questions = {}, [], {}
        self.sessions, self.refused, self.reply, self.breaks = 0, 0, "", []
        self.connection = None

    def run(self):
        while not self.over.is_set():
            try:
                self.session()
            except (pika.exceptions.AMQPError, OSError) as error:
                self.breaks.append(f"{type(error).__name__} {error}")
                self.over.wait(0.2)
            finally:
                self.drop()

    def drop(self):
        try:
            if self.connection and self.connection.is_open:
                self.connection.close()
        except (pika.exceptions.AMQPError, OSError):
            pass

    def session(self):
        self.connection = self.connect()
        self.sessions += 1
        for job in self.ledger.open():
            if job.id in self.mine:
                job.sessions += 1
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.reply = f"{self.user}~{secrets.token_hex(16)}"
        queue = f"og.reply.{self.reply}"
        self.channel.queue_declare(queue, exclusive=True, auto_delete=True)
        self.channel.queue_bind(queue, "og.replies", f"{self.reply}.*")
        self.channel.basic_consume(queue, self.on_message, auto_ack=True)
        self.questions.clear()
        earlier = [job for job in self.mine.values() if not job.ends]
        for job in list(self.unconfirmed):
            self.submit(job)
        due = time.monotonic()
        while not self.over.is_set():
            self.connection.process_data_events(0.01)
            now = time.monotonic()
            for job in earlier:
                if job.accepted and not job.ends and now - job.asked > ASK_AGAIN_S:
                    self.ask(job)
            self.idle = not self.submitting  # said by this thread: one that is about to submit is not idle
            if not self.idle and now >= due:
                due = max(due + 1 / self.rate, now - 1)
                self.next()

    def next(self):
        job = self.make()
        if not job:
            self.submitting = False
            return
        job.sessions = 1
        self.mine[job.id] = self.ledger.new(job)
        self.unconfirmed.append(job)
        self.submit(job)

    def submit(self, job):
        headers = {"og-version": "1.1", **{"og-" + k.replace("_", "-"): v for k, v in job.headers.items()}}
        properties = pika.BasicProperties(
            type="inference_request", message_id=job.id, correlation_id=job.id, reply_to=self.reply, user_id=self.user,
            delivery_mode=2, content_type="application/json", headers=headers,
        )  # fmt: skip
        job.submitted = job.submitted or time.monotonic()
        try:
            self.channel.basic_publish("og.jobs", "job", job.body, properties, mandatory=True)
            job.accepted = time.monotonic()
        except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
            self.refused += 1  # busy, before it was accepted
        self.unconfirmed.remove(job)

    def ask(self, job):
        question, job.asked = str(uuid.uuid4()), time.monotonic()
        self.questions[question] = job
        properties = pika.BasicProperties(
            type="rpc_request", message_id=question, correlation_id=question, reply_to=self.reply, user_id=self.user,
            headers={"og-version": "1.1", "og-verb": "wait"},
        )  # fmt: skip
        self.channel.basic_publish("og.rpc", "rpc", json.dumps({"id": job.id}).encode(), properties)

    def on_message(self, _channel, method, properties, body):
        what, headers = method.routing_key.rsplit(".", 1)[1], properties.headers or {}
        if what == "rpc":
            self.on_answer(self.questions.pop(properties.correlation_id, None), body)
            return
        job = self.mine.get(properties.correlation_id)
        if not job:
            return
        if what in ("done", "result"):
            self.ledger.ended(job, what, headers.get("og-state", ""), headers.get("og-error", ""), body)
        elif what == "chunk":
            job.chunks.append((headers.get("og-attempt", 0), headers.get("og-run", 0), headers.get("og-seq", 0)))
        else:
            job.told.append({"what": what, **headers})

    def on_answer(self, job, body):
        answer = json.loads(body)
        if job and answer.get("state") in TERMINAL and "result" in answer:
            end = answer["result"]
            error = end.get("error", {}).get("type", "")
            self.ledger.ended(job, "rpc", answer["state"], error, json.dumps(end).encode())

    def vanish(self):
        """As a process that is killed: the connection goes, and nobody asks again."""
        for job in self.mine.values():
            job.left = True
        self.over.set()
        self.join(20)


class Load:
    """Some submitters beside each other: `with load: …`. At its end an endless one submits no more; it reads on until `stop`."""

    def __init__(self, submitters, endless):
        self.submitters, self.endless = submitters, endless

    def __enter__(self):
        for s in self.submitters:
            s.start()
        return self

    def __exit__(self, *_):
        self.pause()

    def pause(self):
        if self.endless:
            for s in self.submitters:
                s.submitting = False

    def finished(self):
        """Whether all that was to be submitted is confirmed or refused."""
        return all((s.idle or not s.is_alive()) and not s.unconfirmed for s in self.submitters)

    def stop(self):
        for s in self.submitters:
            s.over.set()
        for s in self.submitters:
            s.join(20)
