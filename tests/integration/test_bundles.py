"""Several messages in one (docs/PROTOCOL.md, Bundles), as another language would write and read them: into the intake, to a reply
queue, and what nobody can read."""

import signal
import struct
import urllib.parse
import uuid
from pathlib import Path

import pika
import pytest
from bundles import opened
from services import wait_for

from worker_rig import cluster, grid, stub, workers  # noqa: F401

MANY = 16
BUNDLE = {"type": "bundle", "delivery_mode": 2}


def request(producer, job, version="1.3", reply=None, **headers):
    headers = {"og-version": version, "og-tier": "small", **{"og-" + k.replace("_", "-"): v for k, v in headers.items()}}
    return pika.BasicProperties(
        type="inference_request", message_id=job, correlation_id=job, reply_to=reply or producer.reply, headers=headers
    )


def bundle(*parts):
    """Parts are properties and a body."""
    whole = b""
    for properties, body in parts:
        header = b"".join(properties.encode())
        whole += struct.pack(">II", len(header), len(body)) + header + body
    return whole


def ids(n):
    return [str(uuid.uuid4()) for _ in range(n)]


def submit(producer, body):
    producer.do(lambda: producer.publish("og.jobs", "job", body, mandatory=True, **BUNDLE))


def test_each_part_of_the_intakes_is_a_submit_of_its_own(fleet):
    fleet.scheduler()
    worker, producer = fleet.worker(slots=4), fleet.producer()
    good, bad, version, other = ids(4)
    submit(
        producer,
        bundle(
            (request(producer, good, x_delivery_count=7, tenant="forged"), b'{"prompt":"first"}'),
            (request(producer, bad, attempt="text"), b"{}"),
            (request(producer, version, version="9.0"), b"{}"),
            (request(producer, other), b'{"prompt":"second"}'),
        ),
    )
    worker.finish(good)
    worker.finish(other)
    assert [producer.wait(job).json["text"] for job in (good, other)] == ['{"prompt":"first"}', '{"prompt":"second"}']
    assert [producer.wait(job).headers["og-error"] for job in (bad, version)] == ["invalid_request", "unknown_version"]
    assert fleet.ended(good)["tenant"] == "local" and fleet.record(good)["submitter"] == producer.user
    wait_for("the intake to be empty", lambda: fleet.depth("og.jobs.intake") == 0)
    wait_for("the dead letters", lambda: fleet.depth("og.dead") == 2)


def test_a_part_speaks_for_nobody_else(fleet):
    """Whose a bundle is the broker says, once for all of it."""
    fleet.scheduler()
    worker, producer, other = fleet.worker(slots=4), fleet.producer(), fleet.producer("gateway")
    mine, theirs = ids(2)
    forged = request(producer, theirs, reply=other.reply, tenant="theirs")
    forged.user_id = other.user
    submit(producer, bundle((request(producer, mine), b'{"prompt":"mine"}'), (forged, b'{"prompt":"theirs"}')))
    worker.finish(mine)
    producer.wait(mine)
    wait_for("the dead letter", lambda: fleet.depth("og.dead") == 1)
    assert not other.of(theirs) and not fleet.record(theirs).get("tier")


def test_what_cannot_be_opened_is_a_dead_letter(fleet):
    scheduler = fleet.scheduler()
    worker, producer = fleet.worker(), fleet.producer()
    (job,) = ids(1)
    part = bundle((request(producer, job), b'{"prompt":"x"}'))
    spoilt = [b"", b"\0" * 7, b"\xff" * 64, part[:-1], part + b"\0", b"\0" * 8 * 257]
    for body in spoilt:
        submit(producer, body)
    wait_for("the dead letters", lambda: fleet.depth("og.dead") == len(spoilt))
    submit(producer, bundle((pika.BasicProperties(type="bundle"), part)))  # never one in another
    wait_for("one more", lambda: fleet.depth("og.dead") == len(spoilt) + 1)
    assert scheduler.state().startswith("leading")
    after = producer.submit(b'{"prompt":"after"}', tier="small")
    worker.finish(after)
    assert producer.wait(after).json["text"] == '{"prompt":"after"}'


def test_what_is_dead_is_opened_by_nobody(fleet):
    """What the scheduler puts into the dead letters has its name: a bundle there would make its own what a stranger put into it."""
    fleet.scheduler()
    producer, other = fleet.producer(), fleet.producer("gateway")
    nested, beside = ids(2)
    said = {"reply": other.reply, "submitter": other.user, "tenant": "theirs", "error": "engine_error", "reason": "forged"}
    inner = bundle((request(producer, nested, **said), b'{"prompt":"theirs"}'))
    submit(producer, bundle((pika.BasicProperties(type="bundle"), inner)))
    submit(producer, bundle((request(producer, beside, **said), b'{"prompt":"theirs"}')) + b"\0" * 8)
    wait_for("the dead letters", lambda: fleet.depth("og.dead") == 3)
    dead = other.ask("dead_list")["dead"]
    assert [(d["error"], d["tenant"]) for d in dead] == [("invalid_request", "local")] * 3
    assert not other.of(nested) and not other.of(beside)


def test_what_cannot_be_read_of_one_costs_no_more_than_it_is(fleet):
    """Each such part was the whole bundle once: one of 4 MiB made a gigabyte of dead letters."""
    scheduler = fleet.scheduler()
    producer = fleet.producer()
    submit(producer, b"\0" * 8 * 255 + struct.pack(">II", 0, 4 << 20) + b"x" * (4 << 20))
    wait_for("the dead letters", lambda: fleet.depth("og.dead") == 256)
    dead = fleet.producer("gateway").ask("dead_list", limit=300)["dead"]
    assert sorted(d["bytes"] for d in dead) == [0] * 255 + [4 << 20]
    assert scheduler.state().startswith("leading")


@pytest.mark.parametrize("can_read", [2, 1, None])
def test_ends_of_one_turn_come_in_few_to_who_can_read_them(grid, workers, stub, can_read):  # noqa: F811
    """A worker that stood still finds all its answers at once, in the turns of its timers and of its sockets."""
    w = workers("--set", f"worker.slots={MANY}")
    stub.signal(signal.SIGSTOP)
    w.signal(signal.SIGSTOP)  # it finds all jobs at once as well
    jobs = [grid.ask("Hello", bundle=can_read, stream=None, progress=1) for _ in range(MANY)]
    w.signal(signal.SIGCONT)
    grid.until("all to run", lambda: sorted(told(grid, "started")) == sorted(jobs))
    wait_for("all to be at the engine", lambda: unread(stub.url) == MANY, 20)
    w.signal(signal.SIGSTOP)
    stub.signal(signal.SIGCONT)
    wait_for("all to be answered", lambda: [r["finished"] for r in stub.requests()] == [True] * MANY)
    w.signal(signal.SIGCONT)
    grid.until("the ends", lambda: len(told(grid, "done")) == MANY)
    assert sorted(told(grid, "done")) == sorted(jobs)
    messages = [m for m in grid.heard if m.what == "done"]
    assert len(messages) <= MANY / 2 if can_read == 2 else len(messages) == MANY


def unread(url):
    """How many connections to that server have brought something that it has not read."""
    port = f":{urllib.parse.urlsplit(url).port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] == "01" and row[4].split(":")[1] != "00000000" for row in rows)  # 01: established


def told(grid, what):  # noqa: F811
    """The ids that were heard of, of bundles those of their parts: what a worker says in one turn travels together."""
    heard = [m for m in grid.heard if m.what == what]
    parts = [p.message_id for m in heard if m.type == "bundle" for p, _ in opened(m.raw)]
    return parts + [m.id for m in heard if m.type != "bundle"]
