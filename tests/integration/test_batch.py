"""og batch through the real chain, with an engine that answers with the prompt."""

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


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    root = tmp_path_factory.mktemp("batch")
    redis = Redis(root / "redis").start()
    name = "batch-" + uuid.uuid4().hex[:8]
    settings = "[worker]\nslots = 8\n"
    c = Network(root / "r", name, BUILD, rabbit_of_environment(), redis, "kind = echo\n", settings, CATALOGUE)
    try:
        yield c.up()
    finally:
        c.stop()
        redis.stop()


def line(custom_id, text, **body):
    body = {"messages": [{"role": "user", "content": text}], **body}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n"


def read(path):
    return [json.loads(text) for text in path.read_text().splitlines()]


def batch(chain, *args, **more):
    return chain.run("og", "batch", *map(str, args), timeout=60, **more)


def expect_each_once(path, wanted):
    """{custom_id: text} is what the file holds, each a single time."""
    found = read(path)
    assert len(found) == len(wanted)
    for answer in found:
        assert answer["error"] is None and answer["response"]["status_code"] == 200
        assert answer["id"] == "batch_req_" + answer["response"]["request_id"]
    texts = {a["custom_id"]: a["response"]["body"]["choices"][0]["message"]["content"] for a in found}
    assert texts == wanted


def test_some_hundred_lines_and_those_that_fail(chain, tmp_path):
    source = tmp_path / "questions.jsonl"
    wanted = {f"q-{i}": f"number {i} käse" for i in range(300)}
    lines = [line(k, text, stream=True) for k, text in wanted.items()]
    lines[100:100] = ["{oops\n", "\n", line("q-3", "again"), line("other", "x", model="no-such-model")]
    source.write_text("".join(lines))
    done = batch(chain, source)
    assert (done.returncode, done.stdout) == (3, b""), done.stderr
    assert b"303 lines: 300 answered, 3 failed, 0 of before" in done.stderr
    expect_each_once(tmp_path / "questions.output.jsonl", wanted)
    errors = {e["line"]: (e["custom_id"], e["error"]["code"]) for e in read(tmp_path / "questions.errors.jsonl")}
    assert errors == {
        101: (None, "invalid_request"),
        103: ("q-3", "duplicate_custom_id"),
        104: ("other", "unknown_model"),
    }
    done = batch(chain, source)
    assert done.returncode == 3 and b"0 answered, 0 failed, 303 of before" in done.stderr
    assert b"questions.errors.jsonl says why 3 failed" in done.stderr and b"another batch" not in done.stderr
    expect_each_once(tmp_path / "questions.output.jsonl", wanted)
    assert len(read(tmp_path / "questions.errors.jsonl")) == 3


def test_the_answers_of_another_batch_are_told(chain, tmp_path):
    first, second, output = (tmp_path / name for name in ("first.jsonl", "second.jsonl", "answers.jsonl"))
    first.write_text(line("a", "one") + line("b", "two"))
    second.write_text(line("b", "two") + line("c", "three"))
    assert batch(chain, "--output", output, first).returncode == 0
    done = batch(chain, "--output", output, second)
    assert done.returncode == 0
    assert b"1 lines in the files of answers and errors are of no line of" in done.stderr
    expect_each_once(output, {"a": "one", "b": "two", "c": "three"})


def job_count(chain):
    flat = subprocess.run(
        ["redis-cli", "-s", str(chain.redis.socket), "HGET", f"og:{chain.cluster}:counters", "accepted"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(flat.stdout.strip() or 0)


def test_killed_in_the_middle_it_goes_on_and_runs_nothing_twice(chain, tmp_path):
    source, out, errors = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "bad.jsonl"
    wanted = {f"k-{i}": f"line {i}" for i in range(600)}
    source.write_text("".join(line(k, text) for k, text in wanted.items()))
    before = job_count(chain)
    words = [BUILD / "og", "batch", source, "--output", out, "--errors", errors, "--window", "4", "--tier", TIER]
    process = subprocess.Popen(words, env=chain.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for("some answers", lambda: out.exists() and out.read_bytes().count(b"\n") >= 50, 20)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    have = out.read_bytes().count(b"\n")
    assert 50 <= have < 600, "it was killed in the middle"
    with out.open("a") as torn:  # as if the machine had gone while it wrote
        torn.write('{"id":"batch_req_')
    done = batch(chain, source, "--output", out, "--errors", errors, "--tier", TIER)
    assert done.returncode == 0, done.stderr
    assert f"going on: {have} lines are answered".encode() in done.stderr
    expect_each_once(out, wanted)
    assert errors.read_text() == ""
    assert job_count(chain) - before == 600


def test_ctrl_c_waits_for_what_is_on_its_way(chain, tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "in.output.jsonl"
    wanted = {f"c-{i}": f"line {i}" for i in range(600)}
    source.write_text("".join(line(k, text) for k, text in wanted.items()))
    words = [BUILD / "og", "batch", source, "--window", "4"]
    process = subprocess.Popen(words, env=chain.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for("some answers", lambda: out.exists() and out.read_bytes().count(b"\n") >= 20, 20)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and b"stopping: waiting for" in err, err
    assert 20 <= len(read(out)) < 600
    assert batch(chain, source).returncode == 0
    expect_each_once(out, wanted)


def test_a_pipe_in_and_a_pipe_out(chain):
    wanted = {f"p-{i}": f"line {i}" for i in range(40)}
    source = "".join(line(k, text) for k, text in wanted.items()) + "{oops"
    done = batch(chain, "-", input=source.encode())
    assert done.returncode == 3, done.stderr
    said = [json.loads(text) for text in done.stdout.splitlines()]
    assert {a["custom_id"] for a in said if a["response"]} == set(wanted)
    assert [(a["line"], a["error"]["code"]) for a in said if a["error"]] == [(41, "invalid_request")]


def test_the_same_lines_are_the_same_jobs_unless_salted(chain, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(line("s", "once"))
    before = job_count(chain)
    ids = set()
    for out, more in (("a", []), ("b", []), ("c", ["--salt", "2"])):
        assert batch(chain, source, "-o", tmp_path / out, *more).returncode == 0
        ids.add(read(tmp_path / out)[0]["response"]["request_id"])
    assert len(ids) == 2 and job_count(chain) - before == 2


@pytest.mark.parametrize(
    "args, says",
    [
        (["batch"], "an argument is missing"),
        (["batch", "/no/such"], "cannot be opened"),
        (["batch", "/tmp"], "is a folder"),
        (["batch", "IN", "--window", "0"], "--window"),
        (["batch", "IN", "--class", "urgent"], "--class"),
        (["batch", "IN", "--tier", "T", "--model", "m"], "not both"),
        (["batch", "IN", "--output", "IN"], "is the batch itself"),
        (["batch", "IN", "--output", "/dev/null"], "is no file"),
        (["batch", "IN", "--json"], "no --json"),
    ],
)
def test_bad_usage(chain, tmp_path, args, says):
    source = tmp_path / "in.jsonl"
    source.write_text(line("a", "x"))
    done = chain.run("og", *[str(source) if a == "IN" else a for a in args])
    assert (done.returncode, done.stdout) == (2, b"") and says in done.stderr.decode(), done.stderr
    assert source.read_text() == line("a", "x")


def test_a_full_disk_is_told(chain, tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        done = batch(chain, "-", input=line("a", "x").encode(), stdout=full)
    assert done.returncode == 1 and re.search(rb"cannot be written: No space", done.stderr), done.stderr
