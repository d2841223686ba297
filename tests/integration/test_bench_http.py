"""The two ends of the bench of gateways: bench_engine answers, bench_http asks and counts only what is whole."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from services import Process, wait_for

BUILD = Path(os.environ.get("OG_BUILD", Path(__file__).resolve().parents[2] / "build/asan")) / "tests/bench"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    log = tmp_path_factory.mktemp("engine") / "log"
    process = Process()
    process.spawn([str(BUILD / "bench_engine"), "--tokens", "3"], log=log)
    wait_for("bench_engine", lambda: "listening on" in log.read_text(), 20, process.process)
    yield "http://127.0.0.1:" + log.read_text().split()[-1]
    process.end(15, 10)


@pytest.fixture
def load(engine, tmp_path):
    def run(*args, prompt="hello", stream=False, words=3, path="/v1/chat/completions", status=0):
        body = {"model": "any", "messages": [{"role": "user", "content": prompt}], "stream": stream}
        (tmp_path / "body").write_text(json.dumps(body))
        args = ["--url", engine + path, "--body", tmp_path / "body", "--words", words, *args]
        done = subprocess.run(
            [BUILD / "bench_http", *map(str, args), *(["--stream"] if stream else [])],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_counted_and_timed(load, stream):
    result = load("--clients", 4, stream=stream)
    assert result["ended"] > 4 and result["failed"] == 0
    total = result["total_ms"]
    assert 0 < total["p50"] <= total["p95"] <= total["p99"] <= total["max"]
    assert 0 < result["first_ms"]["p50"] <= total["p50"]


def test_a_paced_stream_is_timed_to_its_first_word_and_to_its_end(load):
    result = load("--clients", 5, "--once", prompt="[[stub tokens=4 pace_ms=200]]", stream=True, words=4)
    assert (result["ended"], result["failed"], result["open_max"]) == (5, 0, 5)
    assert result["first_ms"]["p50"] < 200
    assert result["total_ms"]["p50"] >= 600


def test_a_paced_whole_answer_comes_late(load):
    result = load("--once", prompt="[[stub pace_ms=200]]")
    assert result["total_ms"]["p50"] >= 200


def test_what_is_not_whole_has_failed(load):
    result = load("--once", words=4, stream=True, status=1)
    assert (result["ended"], result["failed"]) == (0, 1)
    assert "not the whole answer" in result["why"] and "status 200: data: {" in result["why"]


def test_a_refusal_has_failed_with_its_words(load):
    result = load("--once", path="/nowhere", status=1)
    assert "status 404" in result["why"] and "no such page" in result["why"]


def test_an_open_loop_keeps_its_rate_and_charges_waiting(load):
    assert 95 <= load("--rate", 100, "--clients", 2)["ended"] <= 101
    # One client and answers of 100 ms: a request that falls due each 50 ms waits longer each time.
    late = load("--rate", 20, prompt="[[stub pace_ms=100]]")
    assert late["ended"] == 20
    assert late["total_ms"]["max"] > 900


def test_an_open_loop_is_over_when_all_is_answered(load):
    began = time.monotonic()
    assert load("--rate", 10, "--clients", 2)["ended"] == 10
    assert time.monotonic() - began < 10


def test_what_fell_due_and_was_never_asked_has_failed(load):
    """One client, whose second answer is not there when the load is given up."""
    result = load("--rate", 10, prompt="[[stub pace_ms=15000]]")
    assert (result["ended"], result["failed"]) == (1, 9)


def test_nobody_there_is_said_at_once(engine, tmp_path):
    (tmp_path / "body").write_text("{}")
    began = time.monotonic()
    args = ["--url", "http://127.0.0.1:9/v1", "--body", str(tmp_path / "body"), "--words", "1"]
    done = subprocess.run([BUILD / "bench_http", *args], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "connection refused" in done.stderr
    assert time.monotonic() - began < 10
