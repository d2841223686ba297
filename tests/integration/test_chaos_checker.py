"""The checker of tests/chaos says what is wrong: with ledgers and worlds made up for it."""

import json
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "integration"), str(TESTS / "chaos")]

import checker  # noqa: E402
import world as chaos  # noqa: E402
from load import Job, Ledger  # noqa: E402
from services import Process, wait_for  # noqa: E402
from stub_engine import StubEngine  # noqa: E402
from tap import Tap, amqp_frames, redis_commands  # noqa: E402

PROMPT = b'{"messages":[{"role":"user","content":"x"}]}'


def text(words):
    return json.dumps({"response": {"choices": [{"message": {"content": words}}]}}).encode()


class Asker:
    def __init__(self, knows):
        self.knows = knows

    def ask(self, _verb, id):
        return self.knows.get(id, {"error": {"type": "not_found"}})

    def close(self):
        pass


class World:
    """All well, but for what a test changes."""

    class cluster:
        name = "made-up"

    def __init__(self):
        self.events, self.records, self.found, self.knows = [], {}, {}, {}
        self.left, self.dead_letters, self.words, self.ended = {"og.state": (0, 0, 1)}, 0, [], []

    def redis_values(self, commands):
        return [self.records.get(tuple(c.split(":")[-1].split()), "") for c in commands]

    def record(self, job, state, body):
        self.records[job, "state"], self.records[job,] = state, body.decode()

    def runs(self):
        return self.found

    def happened(self):
        return self.events

    def queues(self):
        return self.left

    def asker(self):
        return Asker(self.knows)

    def sanitizer_words(self):
        return self.words

    def gone(self):
        return self.ended


@pytest.fixture
def world():
    return World()


@pytest.fixture
def ledger():
    return Ledger()


def accepted(ledger, name, *ends, wants=("done",)):
    job = ledger.new(Job(name, PROMPT, {}, frozenset(wants)))
    job.submitted = job.accepted = time.monotonic()
    for what, state, body in ends:
        ledger.ended(job, what, state, "", body)
    return job


def check(world, ledger):
    return checker.check(world, ledger, settled_s=0)


def test_all_well(world, ledger):
    accepted(ledger, "a", ("done", "done", text("yes")))
    world.record("a", "done", text("yes"))
    v = check(world, ledger)
    assert (v.accepted, v.lost, v.stuck, v.answered_twice, v.wrong_end, v.problems) == (1, [], [], [], [], [])


def test_nobody_knows_it(world, ledger):
    accepted(ledger, "a")
    v = check(world, ledger)
    assert len(v.lost) == 1 and not v.stuck


def test_it_never_ends(world, ledger):
    accepted(ledger, "a")
    world.knows["a"] = {"state": "placed"}
    v = check(world, ledger)
    assert len(v.stuck) == 1 and not v.lost


@pytest.mark.parametrize("left", [False, True])
def test_an_end_that_was_not_told_can_be_read(world, ledger, left):
    """That nobody told it is a fault where somebody waited."""
    accepted(ledger, "a").left = left
    world.knows["a"] = {"state": "done", "result": json.loads(text("yes"))}
    v = check(world, ledger)
    assert not v.lost and not v.stuck and v.ends == {"done": 1} and len(v.problems) == (0 if left else 1)


def test_two_answers(world, ledger):
    accepted(ledger, "a", ("done", "done", text("yes")), ("result", "done", text("no")))
    assert len(check(world, ledger).answered_twice) == 1


@pytest.mark.parametrize("state, words", [("done", "no"), ("failed", "yes")])
def test_the_record_says_otherwise(world, ledger, state, words):
    accepted(ledger, "a", ("done", "done", text("yes")))
    world.record("a", state, text(words))
    assert len(check(world, ledger).answered_twice) == 1


def test_a_late_done_is_dropped(world, ledger):
    accepted(ledger, "a", ("done", "done", text("yes")), ("done", "done", text("another run")))
    v = check(world, ledger)
    assert not v.answered_twice and v.late_ends == 1


def test_a_wrong_end(world, ledger):
    accepted(ledger, "a", ("done", "failed", b'{"error":{"type":"engine_error"}}'))
    assert len(check(world, ledger).wrong_end) == 1


def test_a_run_that_nothing_explains(world, ledger):
    job = accepted(ledger, "a", ("done", "done", text("yes")))
    world.found["a"] = [(job.accepted + 1, "n0"), (job.accepted + 2, "n1")]
    v = check(world, ledger)
    assert v.run_twice == 1 and len(v.problems) == 1
    world.events.append((job.accepted + 1.5, job.accepted + 1.5, "n0 killed"))
    v = check(world, ledger)
    assert v.run_twice == 1 and v.explained == {"killed": 1} and not v.problems


@pytest.mark.parametrize(
    "since, until, explains",
    [(-1, 0.1, True), (1.9, 3, True), (-1, -0.1, False), (2.1, 3, False)],
    ids=["not yet over when it came", "begun when it ran again", "over when it came", "not yet begun when it ran again"],
)
def test_what_explains_a_run_lasts(world, ledger, since, until, explains):
    """A kill has its effect at some moment between the one before it and the one after, and that is all that is known."""
    job = accepted(ledger, "a", ("done", "done", text("yes")))
    world.found["a"] = [(job.submitted + 1, "n0"), (job.submitted + 2, "n1")]
    world.events.append((job.submitted + since, job.submitted + until, "n0 drained"))
    assert check(world, ledger).explained == {"drained" if explains else "?": 1}


class Victim(Process):
    def __init__(self, folder):
        super().__init__()
        self.spawn(["sleep", "60"])
        (folder / "victim").write_text(str(self.process.pid))


def test_a_worker_that_its_prompt_killed(tmp_path, ledger):
    """Its jobs may run elsewhere before anybody here sees that it is dead: the engine tells when, of itself."""
    world = chaos.World()
    victim, job = Victim(tmp_path), accepted(ledger, "a", ("done", "done", text("yes")))
    engine = StubEngine(tmp_path, record=world.folder / "runs-n0.jsonl", victim=tmp_path / "victim").start()
    try:
        body = {"messages": [{"role": "user", "content": chaos.stub("0" * 36, fault="crash", after=0, tokens=1)}]}
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"{engine.url}/v1/chat/completions", json.dumps(body).encode(), timeout=1).read()
        assert victim.process.wait(10) == -signal.SIGKILL
        [(since, until, what)] = world.happened()
        assert job.submitted <= since <= until and what == "n0 was killed by its prompt"
        assert checker.why_again(world.happened(), job, until) == "was killed by its prompt"
        assert [node for _, node in world.runs()["0" * 36]] == ["n0"]
    finally:
        engine.stop()
        victim.end(signal.SIGKILL, 5)
        world.close()


def test_an_engine_knows_whom_to_kill_before_it_is_asked(tmp_path):
    worker, seen = chaos.Worker(tmp_path), tmp_path / "seen"
    worker.victim = tmp_path / "victim"
    worker.spawn(["sh", "-c", 'cat "$0" >"$1"', worker.victim, seen])
    assert worker.process.wait(10) == 0 and int(seen.read_text()) == worker.process.pid


def test_what_is_left_in_a_queue(world, ledger):
    world.left = {"og.tier.x": (0, 2, 0), "og.retry": (1, 0, 1)}
    problems = check(world, ledger).problems
    assert len(problems) == 2 and any("without an owner" in p for p in problems)


def test_dead_letters_are_accounted_for(world, ledger):
    accepted(ledger, "a", ("done", "dead", b"{}"), wants=("dead",))
    assert len(check(world, ledger).problems) == 1
    world.left, world.dead_letters = {"og.dead": (1, 0, 1)}, 0
    assert not check(world, ledger).problems


def test_a_sanitizer_and_a_program_that_went(world, ledger):
    world.words, world.ended = ["x.log: ERROR: AddressSanitizer"], ["s0 ended with -11"]
    assert len(check(world, ledger).problems) == 2


def method(class_, number, rest=b""):
    payload = class_.to_bytes(2, "big") + number.to_bytes(2, "big") + rest
    return b"\x01\0\x01" + len(payload).to_bytes(4, "big") + payload + b"\xce"


def fed(parser, data, piece):
    units = []
    next(parser)
    for at in range(0, len(data), piece):
        units += parser.send(data[at : at + piece])
    return units


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_frames_are_told_apart_in_any_pieces(piece):
    body = b"\x03\0\x01" + (3).to_bytes(4, "big") + b"abc\xce"
    data = b"AMQP\0\0\x09\x01" + method(60, 40, b"xy") + body + method(60, 80)
    units = fed(amqp_frames(to_client=False), data, piece)
    assert [name for name, _ in units] == ["header", "publish", "body", "ack"]
    assert b"".join(unit for _, unit in units) == data
    assert fed(amqp_frames(to_client=True), method(60, 80), piece)[0][0] == "confirm"


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_commands_are_told_apart_in_any_pieces(piece):
    data = b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n*1\r\n" + b"*1\r\n$4\r\nPING\r\n"
    units = fed(redis_commands(to_client=False), data, piece)
    assert [name for name, _ in units] == ["command", "command"] and b"".join(unit for _, unit in units) == data


@pytest.mark.parametrize("before", [True, False])
def test_a_tap_says_that_it_was_hit_when_all_is_done(before):
    """Whoever waits for that starts again what was killed: not beside one that still lives."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        tap = Tap(server.getsockname(), amqp_frames)
        met, go_on = threading.Event(), threading.Event()
        tap.arm("publish", 1, before, lambda: (met.set(), go_on.wait(10)))
        with socket.create_connection(("127.0.0.1", tap.port)) as client:
            client.sendall(b"AMQP\0\0\x09\x01" + method(60, 40))
            assert met.wait(10) and not tap.hit
            go_on.set()
            wait_for("the hit", lambda: tap.hit, 10)
        assert tap.hit == ("before a publish" if before else "after a publish")
        tap.close()
