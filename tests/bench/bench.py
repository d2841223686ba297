#!/usr/bin/env python3
"""The bench. scripts/bench.sh builds what it needs, and starts it.

    scripts/bench.sh [--quick] [--only PART[:NAME+…],…] [--json FILE]

  roundtrips  no-op jobs, 512 bytes in and out: jobs/s and latencies, beside other queues and what the broker allows
              (OpenGateway, Celery, dramatiq, RQ, BullMQ, asynq, gearman, three bare hops, PerfTest)
  path        what the path adds to the streams of an engine, 1, 8 and 64 at a time, beside the engine asked directly and gateways (stub, model)
  gateways    og-gateway beside other gateways (LiteLLM, Portkey, Olla, og-gateway)
  scale       how rate, latency and memory go with more of something (workers, tiers, waiting, million, body, nodes, streams, tokens)
  cost        of a job and of a token (cpu, syscalls, allocations, wire)
  recovery    how fast it is there, and there again, and what it takes at rest (start, takeover, memory)
  plan        the scheduler's decisions alone, for a simulated fleet of 1,000 nodes and a million jobs

What is in a part's brackets can be asked for by name. All that a part needs it starts on loopback, a RabbitMQ and Redis of its own too, and leaves
nothing behind. Peers are installed under build/peers when they are first measured, every version pinned in tests/bench/peers; with --quick
nothing is installed. A row that cannot be measured says why. The page is printed (docs/BENCHMARKS.md is that of a whole run), and what goes on is told on
stderr. With --json the results are kept in FILE too, part by part: those of other parts that it has are printed with these. Programs come from
$OG_BUILD (default build/release).

A whole run is meant to take less than an hour on two cores with nothing beside it, by minutes: roundtrips 13, path 8, gateways 8, scale 17, cost 3,
recovery 4, plan 2 (an estimate: many a round is a number of seconds, the rest goes with the machine; scale:million is not in it). --quick takes some
four minutes on a slow machine, and longer where peers are installed, which it starts then.
"""

import argparse
import contextlib
import importlib
import json
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import machine  # noqa: E402
from bed import Bed  # noqa: E402
from installing import Installing  # noqa: E402

PARTS = ("roundtrips", "path", "gateways", "scale", "cost", "recovery", "plan")

INTRO = """\
# Benchmarks

This page is the output of one command, which anyone can run:
```
scripts/bench.sh                                            # all of it, in about an hour; the first run installs the peers under build/peers (1 GB)
scripts/bench.sh --only path,roundtrips:OpenGateway+Celery  # parts, and what of them; --help has the names
scripts/bench.sh --quick                                    # short and once: that it runs, not how fast; installs nothing
scripts/bench.sh --json FILE                                # keeps the figures, and prints those of parts that FILE has already
```
Everything of a part runs on this one machine: load, programs, brokers. What is compared is started together, and measured in turn, round after round,
so that what the machine does meanwhile hits all alike; figures are medians over the rounds. Versions are
pinned in `tests/bench/peers`. RabbitMQ is one node with two schedulers that do not spin (`+S 2:2 +sbwt none`), its statistics off; Redis keeps a log
(`appendonly yes`, `appendfsync everysec`) where ours uses it.
"""
QUICK = " A quick run: that it runs, not how fast."


def chosen(text, options):
    """{part: its names, or None for all of them}"""
    wanted = {}
    for word in text.split(",") if text else PARTS:
        part, _, names = word.partition(":")
        known = getattr(importlib.import_module(part), "NAMES", ()) if part in PARTS else ()
        if part not in PARTS:
            options.error(f"no part {part!r}; there are {', '.join(PARTS)}")
        wanted[part] = names.split("+") if names else None
        unknown = [name for name in wanted[part] or () if name not in known]
        if unknown:
            options.error(f"{part} has no {unknown[0]!r}; it has {', '.join(known) or 'no names'}")
    return wanted


def page(results):
    names = [name for name in PARTS if name in results]
    sections, before = [INTRO], ""
    for name in names:
        part, of = importlib.import_module(name), results[name]
        about = machine.words(of["machine"])
        sections.append(f"## {part.TITLE}")
        sections += [] if about == before else [about]
        sections.append(machine.busy_words(of["machine"], of["busy_after"]) + (QUICK if of["quick"] else ""))
        sections.append(part.tables(of["results"]))
        before = about
    return "\n\n".join(section.strip() for section in sections)


def measure(name, only, quick, shared, busy):
    part, about, began = importlib.import_module(name), machine.machine(busy), time.monotonic()
    print(f"== {name}", file=sys.stderr, flush=True)
    measured = part.measure(quick, only, shared)
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return {"quick": quick, "machine": about, "busy_after": machine.cores_busy(), "results": measured}


def main():
    options = argparse.ArgumentParser(
        prog="scripts/bench.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--quick", action="store_true", help="one short round: that it runs, not how fast")
    options.add_argument("--only", metavar="PART[:NAME+…],…", help="these parts, and of one only what is named")
    options.add_argument("--json", metavar="FILE", type=Path, help="keep the results in this file")
    args = options.parse_args()
    wanted = chosen(args.only, options)
    Installing.allowed = not args.quick
    results = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    failed = []
    busy = machine.cores_busy()
    with Bed(quick=True) if args.quick else contextlib.nullcontext() as shared:
        for name, only in wanted.items():
            try:
                results[name] = measure(name, only, args.quick, shared, busy)
                busy = results[name]["busy_after"]
            except Exception:  # the others are measured all the same
                traceback.print_exc()
                failed.append(name)
            if args.json:
                args.json.write_text(json.dumps(results, indent=2) + "\n")
    print(page(results))
    for name in failed:
        print(f"bench.sh: the part {name} could not be measured, see above", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
