#!/usr/bin/env python3
"""The bench: the real programs on a private RabbitMQ and Redis, everything on this machine, everything on (quorum queues, confirms,
Redis records, the scheduler in the path).

    tests/bench/bench.py [--quick] [--only jobs,stream,model,memory,plan] [--json FILE]

  jobs    no-op round trips (`echo`, 512-byte body): jobs/s with many in flight, median with one
  stream  what the path adds to the time to first token of a stub engine that streams at a fixed pace, asked directly in the same run
  model   tokens/s of the real model through the path, against asked directly
  plan    the scheduler's decisions alone, for a simulated fleet of 1,000 nodes and a million jobs: fairness, waits, times told, speed
  memory  anonymous memory of each process, idle and at rest after many jobs

Rounds are interleaved, medians are printed. Programs come from $OG_BUILD (default build/release); `model` wants the embedded engine's
packages in this Python, and is left out, with a word, where they are not.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from network import REPO, TIER, Network  # noqa: E402
from services import Process, Rabbit, Redis, free_port, wait_for  # noqa: E402

BUILD = Path(os.environ.get("OG_BUILD", REPO / "build/release"))


class BenchNetwork(Network):
    def jobs(self, jobs, window, body=512):
        args = ["--config", self.root / "config.ini", "--jobs", jobs, "--window", window, "--body", body, "--json"]
        return json.loads(self.command("bench_jobs", *args, "--tier", TIER))

    def anonymous_kib(self):
        def of(pid):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    return int(line.split()[1])
            raise RuntimeError(f"no RssAnon of {pid}")

        return {name: of(process.process.pid) for name, process in self.processes.items()}


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


def bench_jobs(make, quick):
    network = make("jobs", 640, "kind = echo\n")  # above the window: nothing waits in a lane
    rounds, jobs = (1, 2000) if quick else (5, 20000)
    network.jobs(jobs // 4, 500)  # warms caches and allocators
    many = [network.jobs(jobs, 500) for _ in range(rounds)]
    one = [network.jobs(max(200, jobs // 40), 1) for _ in range(rounds)]
    network.stop()
    return {
        "jobs_per_s_500_in_flight": round(statistics.median(r["jobs_per_s"] for r in many)),
        "p99_ms_500_in_flight": statistics.median(r["p99_ms"] for r in many),
        "median_ms_1_in_flight": statistics.median(r["p50_ms"] for r in one),
    }


def bench_stream(make, quick, folder):
    engine = Engine([REPO / "tests/support/stub_engine.py", "pace_ms=10", "first_ms=20", "tokens=32"], folder)
    network = make("stream", 4, engine.settings())
    rounds = 20 if quick else 200
    result = json.loads(network.command("bench_stream", "--engine", engine.url, "--rounds", rounds, "--tokens", 32))
    network.stop()
    engine.end(15, 10)
    return result


def bench_model(make, quick, folder):
    if importlib.util.find_spec("xllamacpp") is None:
        return {"left out": "the packages of scripts/engine/requirements.txt are not in this Python"}
    engine = Engine([REPO / "scripts/engine/og-engine"], folder)
    network = make("model", 2, engine.settings())
    rounds = 3 if quick else 20
    result = json.loads(network.command("bench_stream", "--engine", engine.url, "--rounds", rounds, "--tokens", 128))
    network.stop()
    engine.end(15, 10)
    result["rate_ratio"] = round(result["tokens_per_s_path"] / result["tokens_per_s_direct"], 4)
    return result


def bench_memory(make, quick):
    network = make("memory", 640, "kind = echo\n")
    idle = network.anonymous_kib()
    jobs = 2000 if quick else 100000

    def at_rest():
        """After a burst the scheduler gives its pages back within seconds, when it is calm."""
        network.jobs(jobs, 500)
        time.sleep(1 if quick else 8)
        return network.anonymous_kib()

    first, second = at_rest(), at_rest()
    network.stop()
    return {"idle_kib": idle, f"after_{jobs}_jobs_kib": first, f"after_{2 * jobs}_jobs_kib": second}


def bench_plan(quick):
    out = subprocess.run([BUILD / "tests/bench/sim_plan", *(["--quick"] if quick else [])], check=True, capture_output=True)
    return json.loads(out.stdout)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="few rounds: that it runs, not how fast")
    options.add_argument("--only", default="jobs,stream,model,memory,plan")
    options.add_argument("--json", help="also write the results to this file")
    args = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="og-bench-"))
    rabbit, redis = Rabbit(folder / "rabbit"), Redis(folder / "redis")
    networks = []

    def make(name, slots, engine):
        settings = f"[worker]\nslots = {slots}\ntier = {TIER}\n"
        networks.append(BenchNetwork(folder / name, f"bench-{name}", BUILD, rabbit, redis, engine, settings))
        return networks[-1].up()

    benches = {
        "jobs": lambda: bench_jobs(make, args.quick),
        "stream": lambda: bench_stream(make, args.quick, folder),
        "model": lambda: bench_model(make, args.quick, folder),
        "plan": lambda: bench_plan(args.quick),
        "memory": lambda: bench_memory(make, args.quick),
    }
    results = {}
    try:
        rabbit.start()
        redis.start()
        for name in args.only.split(","):
            results[name] = benches[name]()
            print(json.dumps({name: results[name]}, indent=2), flush=True)
    finally:
        for network in networks:
            network.stop()
        redis.stop()
        rabbit.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
