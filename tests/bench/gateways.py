"""Gateways side by side: what each adds to an engine that costs next to nothing, on this machine, in one run.

All are started first, and asked in turn, round after round: what the machine does meanwhile hits all alike. Medians are over the rounds;
"adds" is a gateway's figure less the engine's of the same round. A row that cannot be measured says why. Ours runs with all that makes it
durable: RabbitMQ with quorum queues, Redis, the store, og-scheduler and og-worker.
"""

import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import gateway_tables
from bed import BUILD, own_or, rotated
from installing import Skipped
from our_row import OurGateway
from peers import Direct, LiteLLM, Olla, Portkey

TITLE = "Gateways"
NAMES = ("engine", "LiteLLM", "Portkey", "Olla", "og-gateway")
CLIENTS, QUICK_CLIENTS = (1, 16, 64), (1, 64)
TOKENS = 8
QUESTION = (
    "Why do the tides come about twice a day, and not once? Say it in a few words, for somebody who never saw the sea."
)
DESCRIPTORS = 16384
ROUNDS_MAX = 7
# Seconds after the start by when no further round is begun, so that all of it ends in 8 minutes; --quick has one round.
NO_ROUND_AFTER_S = 360


class Load:
    """What bench_http is given, and what it says."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, row, kind, clients, tokens=TOKENS, directive="", seconds=1, **more):
        stream = kind == "stream"
        said = f"{directive}{QUESTION}"
        body = self.folder / f"{row.name}.body"
        asked = {
            "model": row.model,
            "messages": [{"role": "user", "content": said}],
            **({"stream": True} if stream else {}),
        }
        body.write_text(json.dumps(asked, separators=(",", ":")))
        args = ["--url", row.url, "--body", body, "--words", tokens, "--clients", clients, "--seconds", seconds]
        for header in row.headers():
            args += ["--header", header]
        for name, value in more.items():
            args += [f"--{name}"] if value is True else [f"--{name}", value]
        args += ["--stream"] if stream else []
        done = subprocess.run(
            [BUILD / "tests/bench/bench_http", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
        if not done.stdout:
            raise RuntimeError(f"{row.name}, {kind}, {clients} clients: {done.stderr.strip()}")
        return json.loads(done.stdout)


def with_cpu(load, row, *asked, **more):
    """What the load says, and the CPU that an answer took meanwhile, in ms, by program."""
    before = row.cpu_s()
    result = load.run(row, *asked, **more)
    spent = {name: used - before[name] for name, used in row.cpu_s().items()}
    return {**result, "cpu_ms": {name: used * 1000 / max(1, result["ended"]) for name, used in spent.items()}}


def measure_round(rows, load, number, results):
    """Each cell of each row once, added to {row: {(kind, clients): [a result a round]}}."""
    for cell in results[rows[0].name]:
        for row in rotated(rows, number):
            results[row.name][cell].append(with_cpu(load, row, *cell))


def measure_cells(rows, load, sizes, rounds, began):
    """As many rounds as there is time for, at least one."""
    results = {row.name: {(kind, clients): [] for clients in sizes for kind in ("whole", "stream")} for row in rows}
    longest = done = 0
    while done == 0 or (done < rounds and time.monotonic() - began + longest < NO_ROUND_AFTER_S):
        at = time.monotonic()
        measure_round(rows, load, done, results)
        done, longest = done + 1, max(longest, time.monotonic() - at)
        print(f"round {done} of {rounds}: {longest:.0f} s", file=sys.stderr, flush=True)
    return results, done


def median(values):
    values = [value for value in values if value is not None]
    return round(statistics.median(values), 3) if values else None


def cpu_ms(results):
    """Medians over the rounds, by program and together."""
    by_program = {name: median([result["cpu_ms"][name] for result in results]) for name in results[0]["cpu_ms"]}
    return {**by_program, "together": median([sum(result["cpu_ms"].values()) for result in results])}


def times(result, what, percentile):
    return result[f"{what}_ms"][percentile] if result["ended"] else None


def summary_of_cell(results, direct, what):
    """Medians over the rounds of each percentile, and of how far it is above the engine's in the same round."""
    summary = {}
    for percentile in ("p50", "p95", "p99"):
        mine = [times(result, what, percentile) for result in results]
        theirs = [times(result, what, percentile) for result in direct]
        pairs = [(m, t) for m, t in zip(mine, theirs) if m is not None and t is not None]
        summary[percentile] = median(mine)
        summary["adds_" + percentile] = median([m - t for m, t in pairs])
    return summary


def failures_of(rounds):
    """How many failed in all rounds, and why the first did."""
    return {
        "failed": sum(result["failed"] for result in rounds),
        "why": next((result["why"] for result in rounds if result["failed"]), ""),
    }


def summary_of_row(results, direct):
    cells = {}
    for (kind, clients), rounds in results.items():
        cell = {
            "per_s": median([result["per_s"] for result in rounds]),
            "cpu_ms": cpu_ms(rounds),
            "asked": sum(result["ended"] + result["failed"] for result in rounds),
            **failures_of(rounds),
            "total_ms": summary_of_cell(rounds, direct[kind, clients], "total"),
        }
        if kind == "stream":
            cell["first_ms"] = summary_of_cell(rounds, direct[kind, clients], "first")
        cells[f"{kind}_{clients}"] = cell
    return {
        "max_per_s": {
            kind: max(cell["per_s"] for name, cell in cells.items() if name.startswith(kind)) for kind in ("whole", "stream")
        },
        "cells": cells,
    }


def measure_half_rate(rows, load, table, rounds, seconds):
    """Open loop, at half of what each could do: the times that a client of a machine with room would see."""
    results = {row.name: [] for row in rows}
    for number in range(rounds):
        for row in rotated(rows, number):
            rate = max(1, int(table[row.name]["max_per_s"]["whole"] / 2))
            results[row.name].append({"rate": rate, **with_cpu(load, row, "whole", 64, seconds=seconds, rate=rate)})
    return {
        name: {
            "rate": rounds_of[0]["rate"],
            **failures_of(rounds_of),
            "cpu_ms": cpu_ms(rounds_of),
            **{p: median([times(result, "total", p) for result in rounds_of]) for p in ("p50", "p95", "p99")},
        }
        for name, rounds_of in results.items()
    }


class Peak:
    """The most memory that a row has taken while this was open."""

    def __init__(self, row):
        self.row, self.mib, self.over = row, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.is_set():
            self.mib = max(self.mib, self.row.memory_mib())
            self.over.wait(0.5)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def measure_open_streams(rows, load, streams, tokens):
    """So many clients at a time, each with a stream that takes its time: a token a second."""
    results = {}
    for row in rows:
        before = row.memory_mib()
        with Peak(row) as peak:
            result = load.run(
                row, "stream", streams, tokens, f"[[stub tokens={tokens} pace_ms=1000]] ", seconds=15, once=True
            )
        results[row.name] = {
            "streams": streams,
            "open_at_a_time": result["open_max"],
            "whole": result["ended"],
            "failed": result["failed"],
            "why": result["why"],
            "before_mib": before,
            "peak_mib": peak.mib,
        }
    return results


def start_rows(wanted, folder, running, bed):
    """Rows that serve, in their order, added to `running` one by one; {name: why} of the others."""
    direct = Direct(folder / "engine", BUILD / "tests/bench/bench_engine")
    running.append(direct)
    direct.start()
    makers = {
        "LiteLLM": lambda: LiteLLM(folder / "litellm", direct.base),
        "Portkey": lambda: Portkey(folder / "portkey", direct.base),
        "Olla": lambda: Olla(folder / "olla", direct.base, os.environ.get("OLLA")),
        "og-gateway": lambda: OurGateway(folder / "ours", direct.base, bed),
    }
    skipped = {}
    for name in (name for name in NAMES if name in wanted and name in makers):
        print(f"starting {name}", file=sys.stderr, flush=True)
        try:
            row = makers[name]()
        except Skipped as why:
            skipped[name] = str(why)
            continue
        running.append(row)
        try:
            row.start()
        except (RuntimeError, TimeoutError) as why:
            if isinstance(row, OurGateway):
                raise
            running.remove(row)
            row.stop()
            skipped[name] = f"did not start: {why}"
    return skipped


def measure_rows(rows, load, quick, began):
    for row in rows:  # what is compiled, cached and connected at first is not measured
        for kind in ("whole", "stream"):
            load.run(row, kind, 16)
    cells, rounds = measure_cells(rows, load, QUICK_CLIENTS if quick else CLIENTS, 1 if quick else ROUNDS_MAX, began)
    table = {row.name: summary_of_row(cells[row.name], cells["engine"]) for row in rows}
    half = measure_half_rate(rows, load, table, 1 if quick else 3, 1 if quick else 3)
    for row in rows:
        table[row.name] |= {"version": row.version, "half_rate": half[row.name], "memory_mib": row.memory_mib()}
    for name, streams in measure_open_streams(rows, load, *((200, 2) if quick else (2000, 5))).items():
        table[name]["open_streams"] = streams
    return table, rounds


@contextlib.contextmanager
def rows_of(wanted, shared):
    """What can be measured of them, started: the rows, and {name: why} of the others."""
    folder, rows = Path(tempfile.mkdtemp(prefix="og-gw-")), []
    with own_or(shared) as bed:
        try:
            yield rows, start_rows(wanted, folder, rows, bed), folder
        finally:
            for row in reversed(rows):
                row.stop()
            shutil.rmtree(folder, ignore_errors=True)


def measure(quick, only=None, shared=None):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, limits[1]), limits[1]))
    began = time.monotonic()
    with rows_of(only or NAMES, shared) as (rows, skipped, folder):
        table, rounds = measure_rows(rows, Load(folder), quick, began)
        results = {"skipped": skipped, "rows": table, "rounds": rounds}
        ours = next((row for row in rows if isinstance(row, OurGateway)), None)
        if ours:
            results["behind_og_gateway_mib"] = ours.behind_mib()
    return results


SETUP = """\
All stand in front of one engine, `bench_engine`, a stub of ours in C that speaks OpenAI's chat completions; the row **engine** asks it directly.
- **LiteLLM**: two workers, one model, a master key (it does not start without).
- **Portkey**: one process of Node in production mode; `@hono/node-server` is held at 1.13.8, with later ones its streams fail (`immutable`).
- **Olla**: its engine `olla`, profile `auto`, its limits on requests a minute and its request log off. It is in no package registry: build it as
  its own documentation says, and name the program with `$OLLA`.
- **og-gateway**: one process, with all that makes it durable: RabbitMQ with quorum queues and confirms, Redis with its log, the store, a key, one
  og-scheduler, one og-worker with 1,024 slots. The others keep nothing: a job that they have taken is lost with them.

All logs are as each writes them by default, but for Olla's. An answer has 8 tokens. Whole answers and streams are asked for in turn by 1, 16 and 64
clients, each on a connection that it keeps (`bench_http`, in C, so that the load is not the limit); the stream's tokens come without a pause, each in
a chunk of HTTP of its own. An answer counts when it has all its tokens and, of a stream, the `[DONE]`; what else comes is in the column `failed`,
but for open streams, of which it is told how many were whole.
- *requests/s*: closed loop, the best of 1, 16 and 64 clients; how many times a peer's ours are is of these figures.
- *adds*: a percentile of the gateway less the engine's of the same round; the median of that over the rounds. With 16 and 64 clients a gateway is at
  its limit, and what it adds is mostly waiting. The p99 of a round of a slow one is made of few answers.
- *p99 at half the rate*: open loop, whole answers at half of its own requests/s; a request's time counts from when it fell due.
- *CPU a request*: of the gateway and what it started (and of ours all that stands behind it too: broker, Redis, scheduler, worker), whole answers,
  64 clients, without the engine. It is the figure that a busy machine changes least. Who has how much of ours has a table of its own.
- *memory*: resident (Pss, so that what its processes share counts once), at rest after the load, of the gateway alone; what stands behind ours is
  told below the tables.
- *open streams*: 2,000 clients at a time (200 in a quick run), each with a stream of a token a second: the most memory meanwhile, and how many had
  begun to be answered at the same time. Ours has 1,024 slots: the others wait in the queue meanwhile.
"""


def tables(results):
    return SETUP + "\n" + gateway_tables.section(results)
