"""og as a user meets it: tables, terminals, help."""

import json
import re
import subprocess
import uuid

import pytest
from og_rig import ESCAPE, OG, REPO, answers, grid, on_terminal, root, wait_request  # noqa: F401

# ── tables ──

TABLES = {
    "jobs": {"jobs": [{"id": "1", "state": "done", "tier": "T", "class": "high", "accepted_ms": 1, "ended_ms": 2, "node_name": "NodeB"}]},
    "tiers": {"tiers": [{"id": "T", "workers": 1, "slots": 4, "busy": 1, "waiting": 7, "cpu_cores": 2, "ram_gib": 1.5}]},
    "peers": {
        "peers": [
            {"name": "NodeA", "serve": True, "workers": [{"tier": "T", "model": "m", "slots": 4, "busy": 1, "seen_ms_ago": 1200}]},
            {"name": "NodeC", "serve": False, "workers": []},
        ]
    },
}


@pytest.mark.parametrize("verb", TABLES)
def test_tables_and_the_same_as_json(root, grid, verb):
    grid.on_rpc = lambda g, asked, body, properties: TABLES[asked]
    done = root.og(verb)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    rows = TABLES[verb][verb]
    assert len(lines) == 1 + len(rows)
    for row, line in zip(rows, lines[1:]):
        assert line.split()[0] in (row.get("id"), row.get("name"))
    assert json.loads(root.og(verb, "--json").stdout) == TABLES[verb]


def test_job(root, grid):
    record = {"id": str(uuid.uuid4()), "state": "done", "attempt": 1, "accepted_ms": 1700000000123, "queue_ms": 7, "node_name": "No\x1bde"}
    grid.on_rpc = lambda g, verb, body, properties: {"job": record}
    out = root.og("job", record["id"]).stdout.decode()
    assert re.search(r"^accepted +2023-11-14T22:13:20.123Z$", out, re.M), out
    assert re.search(r"^attempt +1$", out, re.M) and re.search(r"^queue_ms +7$", out, re.M)
    assert "\x1b" not in out


# ── terminals ──


def test_a_terminal_sees_words_as_they_come_and_no_control_characters(root, grid):
    grid.on_request = answers("\x1b]0;owned\x07\x1b[2Jhello grüße\r\n")
    status, shown = on_terminal(root, "prompt", "x")
    request = wait_request(grid)
    assert status == 0 and request.headers["og-stream"] == 1
    answer = ESCAPE.sub(b"", shown)
    assert answer.endswith("]0;owned[2Jhello grüße\r\n".encode()), shown
    assert b"\x07" not in shown and b"\x1b]" not in shown and b"\x1b[2J" not in shown
    assert "⠋".encode() in shown or "⠙".encode() in shown, "the spinner"


def test_a_terminal_that_is_not_utf_8(root, grid):
    grid.on_request = answers("hello grüße 你好")
    status, shown = on_terminal(root, "prompt", "x", LC_ALL="C")
    assert status == 0 and max(shown) < 128
    assert re.search(rb"hello gr.{1,2}(ss|\?)e \?\?\r\n", shown), shown
    assert re.search(rb"[|/\\-] running on NodeB", shown), shown


def test_a_second_attempt_is_set_apart_on_a_terminal(root, grid):
    def script(g, request, body):
        g.chunk(request, "half", 0)
        g.chunk(request, "whole", 0, run=1)
        g.chunk(request, " lost", 1)
        g.done(request, "whole", 1, run=1)

    grid.on_request = script
    status, shown = on_terminal(root, "prompt", "x")
    lines = ESCAPE.sub(b"", shown).decode().replace("\r\n", "\n").replace("\r", "").splitlines()
    assert status == 0
    assert lines[-3].endswith("half") and "og: a new attempt begins" in lines[-2] and lines[-1] == "whole", lines


# ── help ──


def test_every_verb_has_help(root):
    overview = root.og("help").stdout.decode()
    verbs = re.findall(r"^  ([a-z]+) .*", overview.split("exit status")[0], re.M)
    assert {"prompt", "wait", "status", "connect", "resources"} <= set(verbs)
    for verb in [*verbs, "join", "leave"]:
        done = root.og(verb, "--help")
        assert done.returncode == 0 and done.stdout.startswith(b"usage: og "), verb
    assert root.og("--version").stdout.startswith(b"og ")


def test_the_reference_is_what_the_program_says():
    page = (REPO / "docs/CLI.md").read_text()
    said = subprocess.run([OG, "help", "--markdown"], capture_output=True, text=True, check=True).stdout
    assert said in page, "docs/CLI.md: replace its reference by the output of `og help --markdown`"
