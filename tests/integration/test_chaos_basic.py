"""Faults and forgeries against the path of a basic job: each accepted job reaches one end that its submitter can read, and nothing is
left in a queue."""

import itertools
import signal
import sys
import threading
import uuid
from pathlib import Path

import pika
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from fleet import PROGRAM, Fleet  # noqa: E402

from services import Process, Rabbit, wait_for  # noqa: E402

names = itertools.count()


@pytest.fixture
def fleet(tmp_path):
    f = Fleet(tmp_path, f"chaos-{next(names)}")
    yield f
    f.close()


def left(fleet):
    """How many messages lie in the durable queues, by name."""
    connection = fleet.cluster.connect(*fleet.cluster.credentials("admin"))
    channel = connection.channel()
    queues = ["og.jobs.intake", "og.state", "og.state.later", "og.retry", "og.dead.intake", "og.dead", "og.tier.small-1b"]
    queues += [f"og.wait.small-1b.{c}.{k}" for c in ("high", "normal", "batch") for k in range(8)]
    counts = {q: channel.queue_declare(q, passive=True).method.message_count for q in queues}
    connection.close()
    return {q: n for q, n in counts.items() if n}


def until_empty(fleet):
    wait_for(f"empty queues, not {left(fleet)}", lambda: not left(fleet), 10)


@pytest.mark.parametrize("kib", [31, 33, 66])
def test_headers_of_any_size_stop_nobody_else(fleet, kib):
    fleet.scheduler()
    worker, producer = fleet.worker(echo=True), fleet.producer()
    large = producer.submit(tier="small", fill="a" * kib * 1024)
    other = producer.submit(tier="small")
    assert producer.wait(other).state == "done"
    end = producer.wait(large)
    assert (end.state, end.headers.get("og-error")) == (("done", None) if kib < 32 else ("failed", "too_large"))
    assert (large in worker.taken) == (kib < 32)
    until_empty(fleet)


def test_a_dead_letter_keeps_what_fits_of_its_headers(fleet):
    fleet.scheduler()
    producer = fleet.producer()
    job = producer.submit(tier="small", version="9.0", fill="a" * 100 * 1024)
    assert producer.wait(job).headers["og-error"] == "unknown_version"
    wait_for("a dead letter", lambda: left(fleet) == {"og.dead": 1}, 10)


@pytest.mark.parametrize("mib", [9, 20])
def test_a_body_that_is_too_large_is_told(fleet, mib):
    fleet.scheduler()
    worker, producer = fleet.worker(echo=True), fleet.producer()
    large = producer.submit(b"x" * (mib << 20), tier="small", explicit_id=mib % 2)
    other = producer.submit(tier="small")
    assert producer.wait(other).state == "done"
    end = producer.wait(large)
    assert (end.state, end.headers["og-error"]) == ("failed", "too_large")
    assert worker.taken == [other] and len(producer.of(large, "done")) == 1
    until_empty(fleet)


@pytest.mark.parametrize("explicit", [0, 1])
def test_an_id_of_another_tenant_is_refused_after_its_end_too(fleet, explicit):
    fleet.scheduler()
    worker, producer, stranger = fleet.worker(echo=True), fleet.producer(), fleet.producer("gateway")
    job = producer.submit(tier="small")
    assert producer.wait(job).state == "done"
    wait_for("the record", lambda: fleet.record(job).get("state") == "done", 5)
    stranger.submit(tier="small", job=job, tenant="another", explicit_id=explicit)
    end = stranger.wait(job)
    assert (end.state, end.headers["og-error"]) == ("failed", "invalid_request")
    assert worker.taken == [job] and len(producer.of(job)) == 1


def test_garbage_everywhere_hurts_nobody(fleet):
    scheduler = fleet.scheduler()
    worker, producer = fleet.worker(echo=True), fleet.producer()
    deep = b'{"a":' * 50000 + b"1" + b"}" * 50000
    for body in (b"", b"\0\0", b"[]", b"{", deep, b'{"version":99}', b"\xff\xfe" * 1000):
        for type_ in ("presence", "rpc_request", "inference_response", "nonsense", None):
            at = {"type": type_, "message_id": str(uuid.uuid4()), "reply_to": producer.reply}
            worker.do(lambda body=body, at=at: worker.publish("og.presence", "", body, **at))
            worker.do(lambda body=body, at=at: worker.publish("og.replies", f"{producer.reply}.done", body, **at))
            producer.do(lambda body=body, at=at: producer.publish("og.rpc", "rpc", body, **at, headers={"og-verb": "job"}))
    job = producer.submit(tier="small", tenant="another", submitter="scheduler", lease="0" * 64, attempt=7, epoch=10**14)
    assert producer.wait(job).state == "done"
    record = fleet.ended(job)
    assert (record["tenant"], record["attempt"]) == (producer.user.removeprefix("producer-") or "default", "1")
    assert scheduler.status()["process"]["malformed"] > 0
    until_empty(fleet)


# --- the real worker, and servers that go ---

REAL = "[node]\nname = Real\nserve = yes\n[worker]\ntier = Small-1B\nslots = 4\n[engine]\nkind = echo\n"


class RealWorker(Process):
    def __init__(self, fleet, instance):
        super().__init__()
        self.fleet, self.instance = fleet, instance
        self.log = fleet.cluster.root / f"worker-{instance}.log"
        self.start()

    def start(self):
        self.spawn([str(PROGRAM.parent / "og-worker"), "--instance", str(self.instance)], self.fleet.environment, self.log)

    def stop(self):
        self.end(signal.SIGTERM, 20)
        assert self.process.returncode == 0, self.log.read_text()[-3000:]


def serves(producer):
    return next(t for t in producer.ask("tiers")["tiers"] if t["id"] == "Small-1B")["slots"] >= 4


def outcome(producer, job):
    return producer.ask("result", id=job).get("state")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_the_broker_goes_under_load(tmp_path, number):
    """What the broker had confirmed ends as done; leader, standby and worker come back by themselves."""
    rabbit = Rabbit(tmp_path / "rabbit").start()
    fleet = Fleet(tmp_path / "root", "under-load", settings=REAL, rabbit=rabbit)
    worker = None
    try:
        schedulers = [fleet.scheduler("s0"), fleet.scheduler("s1", until="standing by")]
        worker = RealWorker(fleet, 1)
        asks = fleet.producer()
        wait_for("a worker that serves", lambda: serves(asks), 20, worker.process)
        accepted, over = [], threading.Event()

        def submit(producer):
            while not over.is_set():
                job = str(uuid.uuid4())
                try:
                    producer.submit(tier="small", job=job, explicit_id=len(accepted) % 2)
                except (AssertionError, pika.exceptions.AMQPError):
                    return
                accepted.append(job)

        thread = threading.Thread(target=submit, args=(fleet.producer(),), daemon=True)
        thread.start()
        wait_for("some jobs", lambda: len(accepted) > 100)
        rabbit.settle()
        rabbit.end(number, 30)
        over.set()
        rabbit.start()
        wait_for("a leader", lambda: any(s.state().startswith("leading, epoch") for s in schedulers), 40)
        asks = fleet.producer()
        pending = list(accepted)

        def all_done():
            pending[:] = [job for job in pending if outcome(asks, job) != "done"]
            return not pending

        wait_for("all accepted to be done", all_done, 40)
        until_empty(fleet)
        worker.stop()
    finally:
        if worker:
            worker.end(signal.SIGKILL, 5)
        fleet.close()
        rabbit.kill()
        rabbit.stop()


def test_workers_are_killed_and_stopped_in_turn(fleet_of_real):
    """SIGKILL, and a SIGSTOP that outlasts the leader's patience: one end a job, and no job runs more often than workers went."""
    fleet, workers = fleet_of_real
    producer = fleet.producer()
    wait_for("workers that serve", lambda: serves(producer), 20)
    jobs = []
    for round_ in range(6):
        jobs += [producer.submit(tier="small") for _ in range(100)]
        worker = workers[round_ % 2]
        worker.end(signal.SIGKILL, 5)
        worker.start()
    workers[0].signal(signal.SIGSTOP)
    jobs += [producer.submit(tier="small") for _ in range(50)]
    wait_for("the stopped one to be missed", lambda: len(producer.ask("peers")["peers"][0]["workers"]) == 1, 20)
    workers[0].signal(signal.SIGCONT)
    for job in jobs:
        assert producer.wait(job, timeout=30).state == "done"
    until_empty(fleet)


@pytest.fixture
def fleet_of_real(tmp_path):
    fleet = Fleet(tmp_path, f"chaos-{next(names)}", settings=REAL)
    fleet.scheduler()
    workers = [RealWorker(fleet, 1), RealWorker(fleet, 2)]
    yield fleet, workers
    for worker in workers:
        worker.stop()
    fleet.close()


@pytest.mark.parametrize("queue", ["og.jobs.intake", "og.state", "og.wait.small-1b.normal.3"])
def test_a_queue_is_deleted_under_the_scheduler(fleet, queue):
    scheduler = fleet.scheduler()
    worker, producer = fleet.worker(echo=True), fleet.producer()
    assert producer.wait(producer.submit(tier="small")).state == "done"
    until_empty(fleet)
    admin = fleet.cluster.connect(*fleet.cluster.credentials("admin"))
    admin.channel().queue_delete(queue)
    admin.close()
    wait_for("a word about it", lambda: "was deleted under its consumer" in scheduler.log.read_text(), 20, scheduler.process)
    fleet.cluster.run("apply")
    wait_for("it to read again", lambda: scheduler.state().startswith("leading, epoch"), 20)
    job = producer.submit(tier="small")
    assert producer.wait(job).state == "done" and worker.taken.count(job) == 1
    assert producer.ask("status")["scheduler"]["placed"] == 0
    until_empty(fleet)
