"""What og shows of a real fleet: attempts, attaching, a job's history, pausing and draining. Scheduler, worker, RabbitMQ and Redis are
real, the engine is a stub whose prompts say how it behaves."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import BUILD, CATALOGUE, TIER  # noqa: E402
from network import Network, rabbit_of_environment  # noqa: E402
from services import Redis, wait_for  # noqa: E402
from stub_engine import StubEngine  # noqa: E402


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    root = tmp_path_factory.mktemp("fleet")
    redis, stub = Redis(root / "redis").start(), StubEngine(root).start()
    settings = "[worker]\nslots = 2\n[scheduler]\nmax_attempts = 2\n"
    engine = f"kind = openai\nurl = {stub.url}\nidle_timeout = 30s\n"
    f = Network(root / "r", "fleet-" + uuid.uuid4().hex[:8], BUILD, rabbit_of_environment(), redis, engine, settings, CATALOGUE)
    f.stub = stub
    try:
        yield f.up()
    finally:
        f.stop()
        stub.stop()
        redis.stop()


def og(fleet, *args, **more):
    return fleet.run("og", *args, timeout=60, **more)


def start(fleet, *args):
    words = [BUILD / "og", *args]
    return subprocess.Popen(
        words, env=fleet.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def stub(**directives):
    return "[[stub " + " ".join(f"{k}={v}" for k, v in directives.items()) + "]]"


def test_attempts_that_break_are_told_and_the_dead_job_names_them(fleet):
    job = str(uuid.uuid4())
    done = og(fleet, "prompt", stub(tokens=8, fault="cut", after=3), "--stream", "--request-id", job)
    err = done.stderr.decode()
    assert done.returncode == 3, err
    assert re.search(r"attempt 2 begins: engine_cut on NodeA: .*what was printed so far does not count", err), err
    assert re.search(rf"dead: engine_cut: 2 of 2 attempts failed.*tried by NodeA, NodeA \(job {job}; `og dead show {job}`\)", err), err
    first, second = done.stdout.decode().splitlines()
    assert first.strip() == second.strip() and first.count("tok") == 3, "two attempts, each on a line of its own"
    done = og(fleet, "prompt", stub(tokens=8, fault="cut", after=3), "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["state"] == "dead"

    out = og(fleet, "job", job).stdout.decode()
    history = out[out.index("TIME ") :].splitlines()[1:]
    assert sum("handed_back" in line for line in history) == 2 and "engine_cut" in out and history[-1].split()[2] == "dead"


def test_attach_in_the_middle_shows_it_from_the_first_word(fleet):
    job = str(uuid.uuid4())
    first = start(fleet, "prompt", stub(tokens=60, pace_ms=50), "--stream", "--request-id", job)
    seen = os.read(first.stdout.fileno(), 100)
    second = start(fleet, "attach", job)
    head = os.read(second.stdout.fileno(), 4)
    assert head == b"tok0" and first.poll() is None, "while the other one is still written"
    one, _ = first.communicate(timeout=40)
    two, err = second.communicate(timeout=40)
    assert first.returncode == second.returncode == 0, err
    assert seen + one == head + two and (seen + one).count(b"tok") == 60
    assert og(fleet, "attach", job).stdout == seen + one, "and when it has ended it is printed whole"


def test_a_paused_tier_waits(fleet):
    assert og(fleet, "pause", TIER).returncode == 0
    try:
        [tier] = [t for t in fleet.json("queues")["tiers"] if t["id"] == TIER]
        assert tier["paused"]
        process = start(fleet, "prompt", stub(tokens=2))
        wait_for("it to wait", lambda: [j for j in fleet.json("jobs", "--state", "queued")["jobs"] if j["tier"] == TIER], 10)
        assert b"paused" in og(fleet, "queues").stdout
    finally:
        assert og(fleet, "resume", TIER).returncode == 0
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and out.count(b"tok") == 2, err


def test_a_drained_node_takes_no_more_until_it_is_undone(fleet):
    assert og(fleet, "drain", "no-such-node").returncode == 9
    assert b"NodeA takes no more prompts" in og(fleet, "drain", "NodeA").stdout
    try:
        wait_for("it to drain", lambda: fleet.json("peers")["peers"][0]["workers"][0]["draining"], 10)
    finally:
        assert og(fleet, "drain", "NodeA", "--undo").returncode == 0
    done = og(fleet, "prompt", stub(tokens=2))
    assert done.returncode == 0, done.stderr


def test_an_idempotency_key_is_one_job_and_another_prompt_under_it_is_refused(fleet):
    key = uuid.uuid4().hex
    before = len(fleet.stub.requests())
    one, two = (og(fleet, "prompt", stub(tokens=3), "--idempotency-key", key) for _ in range(2))
    assert one.returncode == two.returncode == 0 and one.stdout == two.stdout
    assert len(fleet.stub.requests()) == before + 1
    done = og(fleet, "prompt", stub(tokens=4), "--idempotency-key", key)
    assert done.returncode == 2 and b"invalid_request" in done.stderr, done.stderr


def test_jobs_are_watched_as_they_go(fleet):
    watcher = start(fleet, "jobs", "--watch", "--since", "1s")
    og(fleet, "prompt", stub(tokens=2), "--request-id", job := str(uuid.uuid4()))
    line = next(text for text in watcher.stdout if job.encode() in text and b" done " in text)
    assert TIER.encode() in line and b"NodeA" in line
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=20)
    assert watcher.returncode == 0


def dead_ids(fleet, *args):
    return [letter["id"] for letter in fleet.json("dead", "list", *args)["dead"]]


def test_dead_letters_are_listed_shown_requeued_and_dropped(fleet):
    assert og(fleet, "dead", "drop", "--all").returncode == 0
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for k, job in enumerate(ids):  # each works when the engine does
        fleet.stub.set(fault="cut", after=1)
        assert og(fleet, "prompt", f"[[stub tokens=4]] number {k}", "--request-id", job).returncode == 3
    fleet.stub.reset()
    wait_for("all of them", lambda: dead_ids(fleet) == ids, 10)
    assert dead_ids(fleet, "--error", "poison") == [] and dead_ids(fleet, "--older", "1h") == []
    assert dead_ids(fleet, "--tier", TIER, "--error", "engine_cut", "-n", "2") == ids[:2]
    table = og(fleet, "dead", "list").stdout.decode().splitlines()
    assert len(table) == 4 and all(w in table[1] for w in (ids[0], "engine_cut", TIER, "NodeA", "2 of 2 attempts failed"))
    shown = og(fleet, "dead", "show", ids[1]).stdout.decode()
    assert "number 1" in shown.splitlines()[-1] and "engine_cut" in shown

    assert og(fleet, "dead", "requeue", ids[0]).stdout == b"1 requeued\n"
    done = og(fleet, "wait", ids[0])
    assert done.returncode == 0 and done.stdout.count(b"tok") == 4, done.stderr
    assert og(fleet, "dead", "drop", ids[1]).stdout == b"1 dropped\n"
    assert og(fleet, "dead", "show", ids[1]).returncode == 9
    assert og(fleet, "dead", "requeue", "--all", "--error", "engine_cut").stdout == b"1 requeued\n"
    assert og(fleet, "wait", ids[2]).returncode == 0
    assert dead_ids(fleet) == []
