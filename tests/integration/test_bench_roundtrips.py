"""The round trips' own programs: all jobs come back, nothing is left in the broker, and a stall is charged to what fell due in it."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from services import api

BENCH = Path(__file__).resolve().parents[1] / "bench"
BUILD = Path(os.environ.get("OG_BUILD", Path(__file__).resolve().parents[2] / "build/asan")) / "tests/bench"


def hops(*args, password=None):
    user, secret = os.environ["OG_TEST_ADMIN_USER"], password or os.environ["OG_TEST_ADMIN_PASSWORD"]
    return subprocess.run(
        [BUILD / "bench_hops", *map(str, args)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "BENCH_AMQP": f"amqp://{user}:{secret}@{os.environ['OG_TEST_AMQP']}/%2f"},
    )  # fmt: skip


@pytest.mark.parametrize("load", [("--window", 1), ("--window", 50), ("--window", 300, "--rate", 500)])
def test_all_hops_of_all_jobs(load):
    done = hops("--jobs", 300, *load)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["done"], said["jobs"]) == (300, 300)
    assert 0 < said["p50_ms"] <= said["p95_ms"] <= said["p99_ms"] <= said["max_ms"]
    assert not [queue for queue in api("GET", "/api/queues/%2f") if queue["name"].startswith("bench.hops")]


def test_hops_that_are_refused_say_so():
    done = hops("--jobs", 1, password="wrong")
    assert done.returncode == 2
    assert done.stderr == "bench_hops: logging in: refused\n"


def load(program, *args):
    """A program that stands on tests/bench/peers/load.py: what it says, and how long it took."""
    code = f"import sys; sys.path.insert(0, {str(BENCH / 'peers')!r})\n" + textwrap.dedent(program)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=60, check=False
    )
    return done, time.monotonic() - began


def test_a_stall_is_charged_to_all_that_fell_due_in_it():
    """An open loop of 100 jobs at 200/s, whose first answer takes half a second: the others wait behind it, from when they were due."""
    program = """
        import time, load
        asked = []
        def collect(body):
            asked.append(body)
            if len(asked) == 1:
                time.sleep(0.5)
            return body
        load.run_in_order(lambda body: body, collect)
    """
    done, _ = load(program, "--jobs", 100, "--window", 100, "--rate", 200)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["done"] == 100
    assert said["max_ms"] >= 500
    assert said["p50_ms"] >= 200  # the fiftieth was due a quarter of a second after the first


def test_callbacks_keep_the_window():
    program = """
        import collections, load
        out, most = collections.deque(), 0
        def send(body, on_answer):
            global most
            out.append((body, on_answer))
            most = max(most, len(out))
        def drain(seconds):
            body, on_answer = out.popleft()
            on_answer(body)
        load.run_with_callbacks(send, drain)
        assert most == 7, most
    """
    done, _ = load(program, "--jobs", 100, "--window", 7)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 100


def test_an_answer_that_is_another_ends_the_load():
    done, _ = load("import load; load.run_in_order(lambda body: body, lambda body: 'no')", "--jobs", 1)
    assert done.returncode == 1
    assert "an answer is not what was sent" in done.stderr


def test_the_summary_of_perftest_is_read():
    program = """
        import sys
        sys.path[:0] = [{bench!r}, {support!r}]
        from queues.perftest import parse
        said = '''id: test-1-2, sending rate avg: 7801 msg/s
        id: test-1-2, receiving rate avg: 7785 msg/s
        id: test-1-2, consumer latency min/median/75th/95th/99th 602/24528/47154/203977/260485 µs
        id: test-1-2, confirm latency min/median/75th/95th/99th 378/16756/28494/71166/91320 µs'''
        assert parse(said) == {{"jobs_per_s": 7785.0, "p50_ms": 24.528, "p95_ms": 203.977, "p99_ms": 260.485}}
    """
    done, _ = load(program.format(bench=str(BENCH), support=str(BENCH.parent / "support")))
    assert done.returncode == 0, done.stderr


def test_ratios_are_medians_of_the_rounds():
    program = """
        import sys
        sys.path[:0] = [{bench!r}]
        from roundtrip_tables import times
        def row(*rates):
            return {{"cells": {{"500": [{{"jobs_per_s": rate}} for rate in rates]}}}}
        assert times(row(100, 900, 300), row(50, 100, 100), "500", "jobs_per_s") == 3
        assert times(row(100), row(), "500", "jobs_per_s") is None
    """
    done, _ = load(program.format(bench=str(BENCH)))
    assert done.returncode == 0, done.stderr
