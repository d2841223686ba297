"""The programs of tests/bench, with a network that the test plays: what else comes to a reply key does not end them."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pika
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from bundles import parts  # noqa: E402
from grid import BUILD, Heard  # noqa: E402
from worker_rig import cluster, grid, stub  # noqa: E402, F401


def tell(channel, request, what, kind, body, job=None, **headers):
    """To whoever asked, by <reply>.<what>."""
    headers = {"og-version": "1.1", **{f"og-{k}": v for k, v in headers.items()}}
    properties = pika.BasicProperties(type=kind, message_id=job, correlation_id=job, headers=headers)
    channel.basic_publish("og.replies", f"{request.reply_to}.{what}", json.dumps(body).encode(), properties, True)


@contextlib.contextmanager
def bench(cluster, program, *args):  # noqa: F811
    environment = {"OPENGATEWAY_POC_ROOT": str(cluster.root), "LC_ALL": "C.UTF-8"}
    command = [BUILD / "tests/bench" / program, *map(str, args)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def worker(cluster):  # noqa: F811
    channel = cluster.connect_as("worker").channel()
    yield channel
    channel.connection.close()


def take(grid, process, number):  # noqa: F811
    """So many requests that were submitted, in their order, out of their bundles."""
    requests = []

    def collect(channel, method, properties, body):
        requests.extend(Heard(method, *part) for part in parts(properties, body))
        channel.basic_ack(method.delivery_tag)

    consumer = grid.work.basic_consume("og.jobs.intake", collect)
    grid.until(f"{number} requests", lambda: len(requests) >= number or process.poll() is not None)
    grid.work.basic_cancel(consumer)
    assert len(requests) == number
    return requests


def test_a_load_takes_tiers_and_classes_in_turn_and_is_over_after_so_many_ends(cluster, grid, worker):  # noqa: F811
    """What is submitted in the meantime is left where it is; each leader's first job is noted."""
    args = ("--jobs", 6, "--ends", 4, "--window", 6, "--tier", "Small", "--tier", "Large")
    with bench(cluster, "bench_jobs", *args, "--class", "high", "--class", "batch") as process:
        requests = take(grid, process, 6)
        named = [(r.headers["og-tier"], r.headers["og-class"]) for r in requests]
        assert named[:4] == [("Small", "high"), ("Large", "high"), ("Small", "batch"), ("Large", "batch")]
        assert named[4:] == named[:2]
        for request, epoch in zip(requests, (5, 5, 7, 7), strict=False):
            tell(worker, request, "done", "inference_response", {}, request.id, state="done", epoch=epoch)
        out, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    result = json.loads(out)
    assert (result["done"], result["unanswered"], result["failed"]) == (4, 2, 0)
    assert [e["epoch"] for e in result["epochs"]] == [5, 7]
    assert result["epochs"][0]["first_us"] <= result["epochs"][1]["first_us"]


def test_a_job_that_fails_fails_the_load(cluster, grid, worker):  # noqa: F811
    with bench(cluster, "bench_jobs", "--jobs", 1) as process:
        [request] = take(grid, process, 1)
        tell(worker, request, "done", "inference_response", {"error": "no"}, request.id, state="failed", error="engine_error")
        out, said = process.communicate(timeout=20)
    assert process.returncode == 1 and b"first job that failed: failed" in said
    assert (json.loads(out)["done"], json.loads(out)["failed"]) == (0, 1)


def test_events_of_streams_are_counted_and_missed(cluster, grid, worker):  # noqa: F811
    """A chunk may hold several events; how many there were the end says."""
    with bench(cluster, "bench_tokens", "--streams", 2, "--tokens", 3, "--pace", 7) as process:
        first, second = take(grid, process, 2)
        assert "[[stub tokens=3 pace_ms=7]]" in json.loads(first.raw)["messages"][0]["content"]
        assert first.headers["og-stream"] == 1 and first.headers["og-bundle"] == 2
        event = {"choices": [{"delta": {"content": "x"}}]}
        tell(worker, first, "chunk", "inference_chunk", event, first.id, attempt=1, bundle=2)
        tell(worker, second, "chunk", "inference_chunk", event, second.id, attempt=1)
        tell(worker, second, "chunk", "inference_chunk", event, second.id, attempt=1, seq=1)
        tell(worker, first, "done", "inference_response", {}, first.id, state="done", seq=3)
        tell(worker, second, "done", "inference_response", {}, second.id, state="done", seq=2)
        out, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    result = json.loads(out)
    assert (result["done"], result["events"], result["missing"], result["messages"]) == (2, 4, 1, 5)


def test_nodes_that_only_speak_are_as_many_as_are_asked_for(cluster, grid):  # noqa: F811
    with bench(cluster, "bench_nodes", "--nodes", 5, "--first", 3, "--slots", 2) as process:
        grid.until("their heartbeats", lambda: len(grid.presence) >= 10 or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=20)
    assert process.returncode == 0 and out == b"speaking\n", said
    spoken = [json.loads(m.raw) for m in grid.presence]
    assert {p["node_name"] for p in spoken} == {f"sim{n}" for n in range(3, 8)}
    assert len({p["node_id"] for p in spoken}) == 5 and {p["slots"] for p in spoken} == {2}


def test_a_stream_during_which_the_scheduler_asks_who_is_there(cluster, grid, worker):  # noqa: F811
    """A ping is of no job: it has no id. One comes when a job takes longer than five seconds. The first answer does not count."""
    token = {"choices": [{"delta": {"content": "x"}}]}
    with bench(cluster, "bench_stream", "--tokens", 2) as process:
        for tokens in (1, 2):
            [request] = take(grid, process, 1)
            assert request.headers["og-stream"] == 1 and request.headers["og-bundle"] == 2
            tell(grid.work, request, "ping", "ping", {})  # confirmed: it stands before the others
            for seq in range(tokens):
                tell(worker, request, "chunk", "inference_chunk", token, request.id, attempt=1, seq=seq)
            tell(worker, request, "done", "inference_response", {}, request.id, state="done")
        out, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    result = json.loads(out)
    assert result["tokens"] == 2 and len(result["first_ms"]) == len(result["per_s"]) == 1


def test_streams_of_an_engine_that_is_asked_directly(cluster, stub):  # noqa: F811
    """Of each stream one more is asked for than counts."""
    args = ("--url", f"{stub.url}/v1/chat/completions", "--model", "smollm2-135m", "--streams", 3, "--each", 2, "--spread", 30)
    with bench(cluster, "bench_stream", *args, "--prompt", "[[stub tokens=5 pace_ms=10 first_ms=20]]") as process:
        out, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    result = json.loads(out)
    assert result["tokens"] == 3 * 2 * 5 and len(result["first_ms"]) == len(result["per_s"]) == 3 * 2
    assert all(ms >= 20 for ms in result["first_ms"]) and all(rate <= 5 / 0.06 for rate in result["per_s"])


def test_an_answer_without_a_token_is_none(cluster, stub):  # noqa: F811
    args = ("--url", f"{stub.url}/v1/chat/completions", "--model", "smollm2-135m", "--prompt")
    with bench(cluster, "bench_stream", *args, "[[stub fault=end after=0]]") as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1 and b"no token" in said
