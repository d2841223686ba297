#!/usr/bin/env python3
"""The bench: the real programs on a private RabbitMQ and Redis, everything on this machine, everything on (quorum queues, confirms,
Redis records, the scheduler in the path).

    tests/bench/bench.py [--quick] [--only jobs,stream,model,plan] [--json FILE]

  jobs    no-op round trips (`echo`, 512-byte body): jobs/s with many in flight, median with one
  stream  what the path adds to the time to first token of a stub engine that streams at a fixed pace, asked directly in the same run
  model   tokens/s of the real model through the path, against asked directly
  plan    the scheduler's decisions alone, for a simulated fleet of 1,000 nodes and a million jobs: fairness, waits, times told, speed

Rounds are interleaved, medians are printed. Programs come from $OG_BUILD (default build/release); `model` wants the embedded engine's
packages in this Python, and is left out, with a word, where they are not.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from pathlib import Path

from bed import BUILD, Bed
from network import REPO
from services import Process, free_port, wait_for

MODEL = "smollm2-135m"  # as the stub and the real engine call it


class Engine(Process):
    def __init__(self, args, folder):
        super().__init__()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.spawn([sys.executable, *map(str, args), "--port", str(self.port)], log=folder / "engine.log")
        wait_for("the engine", self.ready, 60, self.process)

    def ready(self):
        return subprocess.run(["curl", "-sf", "-o", "/dev/null", self.url + "/v1/models"], check=False).returncode == 0

    def settings(self):
        return f"kind = openai\nurl = {self.url}\n"


def bench_jobs(bed, quick):
    rounds, jobs = (1, 2000) if quick else (5, 20000)
    with bed.network() as network:
        network.serve(640)  # above the window: nothing waits in a lane
        network.jobs(jobs // 4, 500)  # warms caches and allocators
        many = [network.jobs(jobs, 500) for _ in range(rounds)]
        one = [network.jobs(max(200, jobs // 40), 1) for _ in range(rounds)]
    return {
        "jobs_per_s_500_in_flight": round(statistics.median(r["jobs_per_s"] for r in many)),
        "p99_ms_500_in_flight": statistics.median(r["p99_ms"] for r in many),
        "median_ms_1_in_flight": statistics.median(r["p50_ms"] for r in one),
    }


def stream_of(bed, engine, slots, rounds, tokens):
    """The same requests by the path and to the engine directly."""
    engine = Engine(engine, bed.folder)
    try:
        with bed.network(engine.settings(), model=MODEL) as network:
            network.serve(slots)
            args = ("--engine", engine.url, "--rounds", rounds, "--tokens", tokens)
            return json.loads(network.command("bench_stream", *args))
    finally:
        engine.end(15, 10)


def bench_stream(bed, quick):
    engine = [REPO / "tests/support/stub_engine.py", "pace_ms=10", "first_ms=20", "tokens=32"]
    return stream_of(bed, engine, 4, 20 if quick else 200, 32)


def bench_model(bed, quick):
    if importlib.util.find_spec("xllamacpp") is None:
        return {"left out": "the packages of scripts/engine/requirements.txt are not in this Python"}
    result = stream_of(bed, [REPO / "scripts/engine/og-engine"], 2, 3 if quick else 20, 128)
    result["rate_ratio"] = round(result["tokens_per_s_path"] / result["tokens_per_s_direct"], 4)
    return result


def bench_plan(_bed, quick):
    out = subprocess.run([BUILD / "tests/bench/sim_plan", *(["--quick"] if quick else [])], check=True, capture_output=True)
    return json.loads(out.stdout)


BENCHES = {"jobs": bench_jobs, "stream": bench_stream, "model": bench_model, "plan": bench_plan}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="few rounds: that it runs, not how fast")
    options.add_argument("--only", default=",".join(BENCHES))
    options.add_argument("--json", help="also write the results to this file")
    args = options.parse_args()
    results = {}
    with Bed() as bed:
        for name in args.only.split(","):
            results[name] = BENCHES[name](bed, args.quick)
            print(json.dumps({name: results[name]}, indent=2), flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
