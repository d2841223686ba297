"""The programs of tests/bench, with a network that the test plays: what else comes to a reply key does not end them."""

import json
import subprocess
import sys
from pathlib import Path

import pika

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import BUILD  # noqa: E402
from worker_rig import cluster, grid, stub  # noqa: E402, F401


def tell(channel, request, what, kind, body, job=None, **headers):
    """To whoever asked, by <reply>.<what>."""
    headers = {"og-version": "1.1", **{f"og-{k}": v for k, v in headers.items()}}
    properties = pika.BasicProperties(type=kind, message_id=job, correlation_id=job, headers=headers)
    channel.basic_publish("og.replies", f"{request.reply_to}.{what}", json.dumps(body).encode(), properties, True)


def test_a_stream_during_which_the_scheduler_asks_who_is_there(cluster, grid, stub):  # noqa: F811
    """A ping is of no job: it has no id. One comes when a job takes longer than five seconds."""
    requests, token = [], {"choices": [{"delta": {"content": "x"}}]}
    grid.work.basic_consume("og.jobs.intake", grid.collector(requests))
    environment = {"OPENGATEWAY_POC_ROOT": str(cluster.root), "LC_ALL": "C.UTF-8"}
    command = [BUILD / "tests/bench/bench_stream", "--engine", stub.url, "--rounds", "1", "--tokens", "2"]
    worker = cluster.connect_as("worker").channel()
    bench = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        grid.until("its job", lambda: requests or bench.poll() is not None)
        [request] = requests
        tell(grid.work, request, "ping", "ping", {})  # confirmed: it stands before the others
        tell(worker, request, "chunk", "inference_chunk", token, request.id, attempt=1)
        tell(worker, request, "done", "inference_response", {}, request.id, state="done")
        out, said = bench.communicate(timeout=20)
    finally:
        worker.connection.close()
        bench.kill()
        bench.wait()
    assert bench.returncode == 0, said
    assert json.loads(out)["rounds"] == 1
