"""How fast it is there, and there again: start to ready of each program, the next placement after the leading scheduler was killed,
memory at rest.

  start     from the start of the process until its control socket says that it is ready: a scheduler leads, a worker serves
  takeover  SIGKILL of the leading scheduler with 100,000 jobs waiting and a standby there: until the first job is back that the
            new leader has placed
  memory    anonymous memory of each program: when it has just started, and at rest after many jobs, twice
"""

import signal
import statistics
import time

from bed import Backlog, ask, log, names, own_or
from network import TIER
from scale import LANE_SLOTS, LANE_TIERS, ROOM
from services import wait_for
from tables import figure, markdown

TITLE = "Start and recovery"
TAKEOVER_S, REST_KIB = 5, 6 * 1024
READY_S, POLL_S = 60, 0.002


def until_ready(path, process):
    """Seconds, from now."""
    began = time.monotonic()
    while not ask(path).get("ready"):
        if process.process.poll() is not None:
            raise RuntimeError(f"{path.name}: its program ended with {process.process.returncode}")
        if time.monotonic() - began > READY_S:
            raise TimeoutError(f"{path.name} is not ready after {READY_S} s")
        time.sleep(POLL_S)
    return time.monotonic() - began


def start(bed, quick):
    """Each is ended and started again while the others run."""
    rounds = 1 if quick else 7
    with bed.engine() as engine, bed.gateway(engine) as (network, *_):
        worker = next(iter((network.root / "nodes").glob("*/worker-*.sock")))
        starts = {
            "og-scheduler": (network.root / "run/scheduler-one.sock", "og-scheduler one", ("--name", "one")),
            "og-worker": (worker, f"og-worker {TIER} 1", ("--tier", TIER, "--slots", 1024, "--instance", 1)),
            "og-gateway": (network.root / "run/gateway-one.sock", "og-gateway one", ("--name", "one")),
        }
        found = {}
        for kind, (path, name, args) in starts.items():
            took = []
            for _ in range(rounds):
                network.processes[name].end(signal.SIGTERM, 30)
                took.append(until_ready(path, network.start(kind, *args, name=name)) * 1000)
            found[kind] = {"median_ms": round(statistics.median(took), 1), "worst_ms": round(max(took), 1)}
        return found


def takeover(bed, quick):
    """In one backlog, which stays as long as it is, the leader is killed several times; each time the standby is there before. Of the
    jobs that end between two kills `before` do so before the second one: the rest is what goes on until the next standby is there."""
    number, rounds, between, before = (2000, 1, 1000, 500) if quick else (100000, 3, 60000, 2500)
    with bed.network(settings=ROOM, tiers=names(2 if quick else LANE_TIERS)) as network:
        network.serve(LANE_SLOTS)
        leader, standby = "one", "two"
        network.scheduler(standby)
        killed_at = []
        with Backlog(network, number, LANE_SLOTS * len(network.tiers), ends=between * (rounds + 1)) as backlog:
            backlog.go()
            for _ in range(rounds):
                says_standby(network, standby)
                ended = network.ended(leader) + before
                wait_for("jobs that end", lambda: network.ended(leader) >= ended, 120, backlog.result.process)  # noqa: B023
                killed_at.append(time.monotonic())
                network.processes[f"og-scheduler {leader}"].end(signal.SIGKILL, 10)
                leader, standby = standby, leader
                wait_for(f"{leader} leads", lambda: leads(network, leader), 60)  # noqa: B023
                network.scheduler(standby)
            result = backlog.result()
        back_at = [epoch["first_us"] / 1e6 for epoch in result["epochs"][1:]]
        if len(back_at) != rounds:
            raise RuntimeError(f"{rounds} leaders were killed, and {len(back_at)} came after them: {result['epochs']}")
        took = [round(back - killed, 3) for killed, back in zip(killed_at, back_at, strict=True)]
        return {"waiting": number, "seconds": took, "median_s": statistics.median(took), "failed": result["failed"]}


def leads(network, name):
    return network.scheduler_says(name).get("scheduler", {}).get("state", "").startswith("leading")


def says_standby(network, name):
    wait_for(f"{name} stands by", lambda: network.scheduler_says(name).get("ready"), 60)


def memory(bed, quick):
    kinds = ("og-scheduler", "og-worker", "og-gateway")
    jobs = 2000 if quick else 100000
    with bed.engine() as engine, bed.gateway(engine) as (network, *_):

        def at_rest():
            return {kind: network.calm_kib(kind) for kind in kinds}

        found = {"idle": at_rest()}
        for times in (1, 2):
            network.jobs(jobs, 500)
            found[f"after {times * jobs:,} jobs"] = at_rest()
        return found


MEASURES = {"start": start, "takeover": takeover, "memory": memory}
NAMES = tuple(MEASURES)


def measure(quick, only=None, shared=None):
    """Each on a bed of its own, but for a quick run."""
    results = {}
    for part in only or MEASURES:
        began = time.monotonic()
        with own_or(shared) as bed:
            results[part] = MEASURES[part](bed, quick)
        log(f"recovery {part}: {time.monotonic() - began:.0f} s")
    return results


def table_of_start(found):
    lines = [(kind, figure(took["median_ms"]), figure(took["worst_ms"])) for kind, took in found.items()]
    return markdown(("start to ready, ms", "median", "worst"), lines)


def table_of_takeover(found):
    lines = [(f"{found['waiting']:,}", ", ".join(map(figure, found["seconds"])), str(found["failed"]))]
    return markdown(("waiting jobs", "next placement after SIGKILL of the leader, s", "jobs that failed"), lines)


def table_of_memory(found):
    kinds = list(found["idle"])
    lines = [(when, *(f"{kib[kind]:,}" for kind in kinds)) for when, kib in found.items()]
    return markdown(("anonymous memory, KiB", *kinds), lines)


TABLES = {"start": table_of_start, "takeover": table_of_takeover, "memory": table_of_memory}


def goals(results):
    lines = []
    if "takeover" in results:
        found = results["takeover"]
        what = f"next placement, {found['waiting']:,} waiting, the worst, s"
        lines.append((what, f"≤ {TAKEOVER_S}", figure(max(found["seconds"]))))
    if "memory" in results:
        found = results["memory"].values()
        for kind in results["memory"]["idle"]:
            most = max(kib[kind] for kib in found)
            lines.append((f"anonymous memory of {kind} at rest, the most, KiB", f"≤ {REST_KIB:,}", f"{most:,}"))
    return [markdown(("", "to reach", "measured"), lines)] if lines else []


SETUP = """\
- *takeover*: SIGKILL of the leader while the backlog of *Scale* is worked off and refilled; until the first job is back that the new leader has placed
  (`og-epoch` of its `done`), so a run and a result are in it.
- *memory at rest*: anonymous, when it has become no less for 8 s (0.5 s in a quick run); the worker has an engine over HTTP.
"""


def tables(results):
    return "\n\n".join([SETUP.strip()] + [TABLES[part](found) for part, found in results.items()] + goals(results))
