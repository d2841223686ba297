"""og's verbs for who looks after a cluster: a real broker, and in place of the scheduler a grid that each test scripts."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import uuid

import pytest
from og_rig import OG, Grid, Root, on_terminal
from services import wait_for

ID, OTHER = str(uuid.uuid4()), str(uuid.uuid4())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return Root(tmp_path_factory.mktemp("og"), "og-" + uuid.uuid4().hex[:8]).apply()


@pytest.fixture(scope="module")
def tenant(root, tmp_path_factory):
    """Another machine of the cluster, which may ask and no more."""
    other = Root(tmp_path_factory.mktemp("tenant"), root.cluster, secrets_of=root)
    (other.path / "secrets/operator.credentials").unlink()
    return other


@pytest.fixture
def grid(root):
    g = Grid(root)
    g.asked = []  # (verb, body, user)
    g.answers = {}

    def on_rpc(_grid, verb, body, properties):
        g.asked.append((verb, body, properties.reply_to.split("~")[0]))
        answer = g.answers[verb]
        return answer(body) if callable(answer) else answer

    g.on_rpc = on_rpc
    g.start()
    assert g.ready.wait(10)
    yield g
    g.stopping = True
    g.join(10)


def lines(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


# ── who asks ──


def test_operators_verbs_are_asked_by_the_operator_where_it_is(root, tenant, grid):
    grid.answers = {"pause": {"tier": "T", "paused": True}, "jobs": {"jobs": []}}
    for machine, args, role in (
        (root, ["pause", "T"], "operator"),
        (root, ["jobs"], "producer"),
        (root, ["jobs", "--all"], "operator"),
        (root, ["jobs", "--tenant", "nodea"], "operator"),
        (tenant, ["pause", "T"], "producer"),
    ):
        assert machine.og(*args).returncode == 0
        assert grid.asked[-1][2] == root.credentials(role)[0], args


def test_what_is_not_allowed_says_where_it_is(tenant, grid):
    grid.answers = {"pause": {"error": {"type": "not_allowed", "message": "operators alone may"}}}
    done = tenant.og("pause", "T")
    assert done.returncode == 11 and b"the host that set up the broker" in done.stderr and done.stdout == b""
    done = tenant.og("jobs", "--all")
    assert done.returncode == 11 and b"the host that set up the broker" in done.stderr


# ── dead letters ──

LETTER = {
    "id": ID, "error": "engine_cut", "reason": "the engine closed\nthe stream", "tier": "T", "class": "normal",
    "tenant": "nodea", "attempts": 3, "deaths": 0, "tried": [{"id": OTHER, "name": "NodeB"}, {"id": ID, "name": ""}],
    "accepted_ms": 1, "died_ms": 2, "bytes": 7,
}  # fmt: skip


def test_dead_list(root, grid):
    letter = {**LETTER, "died_ms": int(time.time() * 1000) - 3 * 3600 * 1000}
    grid.answers = {"dead_list": {"dead": [letter], "total": 9}}
    done = root.og("dead", "list", "--tier", "T", "--error", "engine_cut", "--older", "2h", "--tenant", "nodea", "-n", "1")
    row = lines(done)[1]
    assert row.split()[:3] == [ID, "engine_cut", "T"]
    assert f"NodeB,{ID[:8]}" in row and "3h 0m" in row and row.endswith("the engine closed the stream")
    assert b"the oldest 1 of 9" in done.stderr
    want = {"tier": "T", "error": "engine_cut", "older_ms": 7200000, "tenant": "nodea", "limit": 1}
    assert grid.asked[-1][:2] == ("dead_list", want)
    assert json.loads(root.og("dead", "list", "--json").stdout) == {"dead": [letter], "total": 9}


def test_dead_show(root, grid):
    grid.answers = {"dead_show": {"dead": {**LETTER, "body": '{"prompt":"x"}'}}}
    out = lines(root.og("dead", "show", ID))
    assert out[-2:] == ["", '{"prompt":"x"}'] and re.match(r"error +engine_cut$", out[1])
    assert grid.asked[-1][:2] == ("dead_show", {"id": ID})


def test_dead_letters_that_have_to_stay_are_told(root, grid):
    grid.answers = {"dead_requeue": {"requeued": 2, "ids": [ID, OTHER], "left": 3, "why": "its tier is not in the catalogue"}}
    done = root.og("dead", "requeue", "--all")
    assert (done.returncode, done.stdout) == (0, b"2 requeued\n")
    assert b"3 of them stay dead letters: its tier is not in the catalogue" in done.stderr


@pytest.mark.parametrize("verb, count", [("requeue", "requeued"), ("drop", "dropped")])
def test_dead_letters_are_changed_one_by_one_or_all_as_meant(root, grid, verb, count):
    grid.answers = {
        "dead_" + verb: lambda body: {count: 1, "ids": [body["id"]]} if "id" in body else {count: 7, "ids": [ID, OTHER]}
    }
    assert lines(root.og("dead", verb, ID)) == [f"1 {count}"]
    assert lines(root.og("dead", verb, ID, OTHER, "--all")) == [f"2 {count}"]
    assert [body for _, body, _ in grid.asked] == [{"id": ID}, {"id": ID}, {"id": OTHER}]
    assert lines(root.og("dead", verb, "--all", "--error", "poison")) == [f"7 {count}"]
    assert grid.asked[-1][:2] == ("dead_" + verb, {"error": "poison", "all": True})
    assert json.loads(root.og("dead", verb, "--all", "--json").stdout) == {count: 7, "ids": [ID, OTHER]}


def test_one_letter_that_fails_does_not_keep_the_others(root, grid):
    no = {"error": {"type": "conflict", "message": "a job of that id lives"}}
    grid.answers = {"dead_requeue": lambda body: no if body["id"] == ID else {"requeued": 1, "ids": [body["id"]]}}
    done = root.og("dead", "requeue", "--all", ID, OTHER)
    assert (done.returncode, done.stdout) == (3, b"1 requeued\n") and b"conflict: a job of that id lives" in done.stderr


@pytest.mark.parametrize(
    "args, says",
    [
        (["dead"], "an argument is missing"),
        (["dead", "lst"], "none of list, show"),
        (["dead", "list", ID], "no ids"),
        (["dead", "show"], "which one?"),
        (["dead", "drop"], "--all for all; `og dead list` shows them"),
        (["dead", "drop", "--tier", "T"], "--all for all that these filters leave"),
        (["dead", "drop", ID, OTHER], "--all says that it is meant"),
        (["dead", "drop", ID, "--tier", "T"], "ids or filters"),
        (["dead", "drop", "1"], "no job's id"),
        (["dead", "list", "--older", "soon"], "--older"),
        (["jobs", "--state", "dancing"], "--state"),
        (["jobs", "--class", "urgent"], "--class"),
        (["pause"], "an argument is missing"),
    ],
)
def test_bad_usage(root, args, says):
    done = root.og(*args)
    assert (done.returncode, done.stdout) == (2, b"") and says in done.stderr.decode()


# ── queues, tiers, nodes ──


def test_queues(root, grid):
    tiers = [
        {"id": "T", "paused": True, "workers": 2, "slots": 8, "busy": 8, "placed": 9, "per_min": 12.5, "eta_ms": 61000,
         "waiting": {"high": 1, "normal": 2, "batch": 300}, "waiting_bytes": 2048, "oldest_ms": 5000},
        {"id": "U", "paused": False, "workers": 0, "slots": 0, "busy": 0, "placed": 0, "per_min": 0,
         "waiting": {"high": 0, "normal": 0, "batch": 0}, "waiting_bytes": 0, "oldest_ms": 0},
    ]  # fmt: skip
    answer = {"tiers": tiers, "waiting_bytes": 2048, "waiting_max_bytes": 1 << 30, "dead": 4}
    grid.answers = {"queues": answer}
    out = lines(root.og("queues"))
    assert out[1].split() == "T 2 8/8 9 1 2 300 2.0 KiB 5.0s 12.5 1m 1s paused".split()
    assert out[2].split() == "U 0 0/0 0 0 0 0 0 B 0".split()
    assert out[-1] == "2.0 KiB of 1.0 GiB wait, 4 dead letters"
    assert json.loads(root.og("queues", "--json").stdout) == answer


def test_pause_resume_drain(root, grid):
    nodes = {"nodes": [{"id": ID, "name": "NodeB"}], "workers": 2, "running": 3}
    grid.answers = {"pause": {"tier": "T", "paused": True}, "resume": {"tier": "T", "paused": False}, "drain": nodes}
    assert lines(root.og("pause", "T"))[0].startswith("T is paused")
    assert lines(root.og("resume", "T")) == ["T is open: what waits is placed as there is room"]
    assert lines(root.og("drain", "NodeB")) == ["NodeB takes no more prompts; 3 still run"]
    assert lines(root.og("drain", "NodeB", "--undo")) == ["NodeB takes prompts again"]
    assert [body for _, body, _ in grid.asked] == [
        {"tier": "T"}, {"tier": "T"}, {"node": "NodeB", "undo": False}, {"node": "NodeB", "undo": True},
    ]  # fmt: skip
    assert json.loads(root.og("drain", "NodeB", "--json").stdout) == nodes
    grid.answers = {"drain": {"error": {"type": "not_found", "message": "no node NodeX"}}}
    assert root.og("drain", "NodeX").returncode == 9


# ── jobs ──


def job(state, **more):
    return {"id": ID, "state": state, "tier": "T", "class": "high", "tenant": "nodea", "accepted_ms": 1, **more}


def test_jobs_are_filtered_by_the_scheduler(root, grid):
    grid.answers = {"jobs": {"jobs": [job("queued", ahead=4, eta_ms=90000, attempt=2)]}}
    filters = ["--state", "queued", "--tier", "T", "--class", "high", "--since", "10m", "--tenant", "nodea", "--limit", "5"]
    row = lines(root.og("jobs", *filters))[1]
    assert row.split()[:4] == [ID, "queued", "T", "high"] and "4 ahead, in 1m 30s" in row and row.endswith("nodea")
    want = {"limit": 5, "state": "queued", "tier": "T", "class": "high", "since_ms": 600000, "tenant": "nodea"}
    assert grid.asked[-1][:2] == ("jobs", want)


def test_jobs_watched_in_a_pipe_are_lines_of_changes(root, grid):
    states = iter(["queued", "queued", "running"])
    grid.answers = {"jobs": lambda body: {"jobs": [job(next(states, "running"))]}}
    process = root.start("jobs", "--watch")
    for state in ("queued", "running"):
        assert process.stdout.readline().split()[1:] == [ID.encode(), state.encode(), b"T"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, b""), err
    assert len(grid.asked) >= 3


def test_jobs_watched_on_a_terminal_are_drawn_anew(root, grid):
    refusal = {"error": {"type": "invalid_request", "message": "enough"}}
    rounds = iter([{"jobs": [job("queued")]}, {"jobs": [job("running")]}])
    grid.answers = {"jobs": lambda body: next(rounds, refusal)}
    status, shown = on_terminal(root, "jobs", "--watch")
    assert status == 2 and shown.count(b"\x1b[H\x1b[2J") == 2 and b"queued" in shown and b"running" in shown


def test_the_history_of_a_job(root, grid):
    at = 1700000000123
    history = [
        {"at_ms": at, "what": "accepted"},
        {"at_ms": at + 5, "what": "placed", "attempt": 1, "node_name": "NodeA"},
        {"at_ms": at + 2005, "what": "handed back", "attempt": 1, "node_name": "NodeA", "error": "engine_cut", "words": "EOF"},
    ]
    grid.answers = {"job": {"job": {"id": ID, "state": "placed", "history": history}}}
    out = lines(root.og("job", ID))
    assert re.match(r"state +placed$", out[2]) and not any(line.startswith("history") for line in out)
    assert re.match(r"2023-11-14T22:13:20.123Z +accepted$", out[-3])
    assert re.match(r"2023-11-14T22:13:20.128Z +\+5ms +placed +1 +NodeA$", out[-2])
    assert re.match(r"2023-11-14T22:13:22.128Z +\+2.0s +handed back +1 +NodeA +engine_cut: EOF$", out[-1])


# ── top ──

QUEUES = {
    "tiers": [
        {"id": "Small", "workers": 1, "slots": 4, "busy": 1, "placed": 1, "per_min": 3,
         "waiting": {"high": 0, "normal": 0, "batch": 0}},
        {"id": "Large", "workers": 0, "slots": 0, "busy": 0, "placed": 0, "per_min": 0,
         "waiting": {"high": 0, "normal": 9, "batch": 0}},
    ],
    "waiting_bytes": 10, "waiting_max_bytes": 1 << 20, "dead": 0,
}  # fmt: skip
PEERS = {"peers": [{"id": ID, "name": "NodeÄ", "serve": True, "workers": [{"tier": "Small", "busy": 1, "slots": 4}]}]}


class Terminal:
    """og on a pseudo-terminal of which the test is the user."""

    def __init__(self, root, *args, rows=24, columns=120, **env):
        self.ours, theirs = pty.openpty()
        self.size(rows, columns)
        environment = root.environment(**{"TERM": "xterm-256color", **env})
        self.process = subprocess.Popen([OG, *args], env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.shown = b""

    def size(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        if select.select([self.ours], [], [], 0.05)[0]:
            try:
                self.shown += os.read(self.ours, 65536)
            except OSError:  # the other end is closed
                pass
        return self.shown

    def until(self, *texts):
        """All of it was shown since the last call."""
        wait_for(f"{texts} on the terminal", lambda: all(t.encode() in self.read() for t in texts), 15)
        shown, self.shown = self.shown, b""
        return shown

    def type(self, text):
        os.write(self.ours, text.encode())

    def end(self):
        wait_for("og to end", lambda: self.read() is not None and self.process.poll() is not None, 15)
        os.close(self.ours)
        return self.process.returncode, self.shown


def test_top_draws_sorts_resizes_and_quits(root, grid):
    grid.answers = {"queues": QUEUES, "peers": PEERS}
    t = Terminal(root, "top")
    shown = t.until("Small", "Large", "NodeÄ", "q quits", "1 of 4 slots busy")
    assert b"\x1b[31m" in shown, "what waits and has nobody is red"
    assert shown.index(b"Large") < shown.index(b"Small"), "by name"
    t.type("b")
    t.until("Small")  # the rows have changed places
    t.size(6, 40)
    t.process.send_signal(signal.SIGWINCH)
    shown = t.until("1 of 4 slots")
    assert b"NodeA" not in shown and "NodeÄ".encode() not in shown, "it is below the last row"
    t.type("\x1b[6~\x1b[6~")  # two pages down
    t.until("NodeÄ")
    t.type("q")
    status, shown = t.end()
    assert status == 0 and b"\x1b[?1049l" in shown, "the terminal is as it was"


def test_top_without_colours_and_without_utf_8(root, grid):
    grid.answers = {"queues": QUEUES, "peers": PEERS}
    t = Terminal(root, "top", NO_COLOR="1", LC_ALL="C")
    shown = t.until("Small", "Node", "q quits")
    assert b"\x1b[31m" not in shown and max(shown) < 128
    t.process.send_signal(signal.SIGINT)
    assert t.end()[0] == 0


def test_top_that_is_refused_leaves_the_terminal_and_says_why(root, grid):
    grid.answers = {"queues": {"error": {"type": "not_allowed", "message": "operators alone"}}, "peers": PEERS}
    t = Terminal(root, "top")
    status, shown = t.end()
    assert status == 11
    assert shown.index(b"\x1b[?1049l") < shown.index(b"operators alone")


def test_top_wants_a_terminal(root):
    done = root.og("top")
    assert (done.returncode, done.stdout) == (2, b"") and b"`og queues`" in done.stderr
    status, shown = on_terminal(root, "top", "--json")
    assert status == 2 and b"`og queues`" in shown
    t = Terminal(root, "top", TERM="no-such-terminal")
    status, shown = t.end()
    assert status == 2 and b"`og queues`" in shown
