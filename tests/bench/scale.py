"""How the path scales: jobs/s and latency as there are more of something, everything else the same.

  workers  of one tier, which share 640 slots; 500 jobs in flight
  tiers    each with a worker, which share 640 slots; 500 jobs in flight, of the tiers in turn
  waiting  jobs that wait in 30 lanes while others come and go, and what each takes of the scheduler's memory
  million  the same with 1,000,000; only where it is asked for
  body     of a request, which comes back as its answer; as many in flight as make 16 MiB, 500 at most
  nodes    that say that they are there (bench_nodes), beside one that works
  streams  open ones: memory of each in worker, scheduler and gateway
  tokens   events/s of an engine's streams in one producer's reply queue, AMQP alone

Medians of several runs a point.
"""

import json
import statistics
import time

from bed import BUILD, Backlog, log, names, own_or
from network import TIER
from proc import cpu_s
from services import Process, wait_for
from tables import figure, markdown

TITLE = "Scale"
SLOTS, IN_FLIGHT = 640, 500
LANE_TIERS, LANE_SLOTS = 15, 32  # with two classes 30 lanes; the third is the probe's
BODIES_IN_FLIGHT = 16 << 20
NODES_A_USER = 250  # the scheduler believes 256 processes of a user
MANY_WAITING = 10000  # with fewer the scheduler's buffers are more than what waits
# A backlog is bounded by bytes here, and what feeds it is no flood.
ROOM = "[scheduler]\nintake_max_jobs = 10000000\nlane_max_jobs = 10000000\nlane_max_bytes = 8GiB\nwaiting_max_bytes = 8GiB\n"

FULL = {
    "workers": (1, 2, 4, 8, 16, 32, 64),
    "tiers": (1, 2, 5, 10, 20),
    "waiting": (0, 10, 100, 1000, 10000, 100000),
    "million": (0, 1000000),
    "body": (100, 1000, 10000, 100000, 1000000),
    "nodes": (1, 10, 100, 250, 500, 1000),
    "streams": (100, 1000),
    "tokens": (1000,),
}
QUICK = {
    "workers": (4,),
    "tiers": (3,),
    "waiting": (0, 2000),
    "million": (0, 1000000),
    "body": (100000,),
    "nodes": (300,),
    "streams": (50,),
    "tokens": (50,),
}


def summary(many, one):
    """Of several runs with many in flight, and with one."""
    return {
        "jobs_per_s": round(statistics.median(r["jobs_per_s"] for r in many), 1),
        **{p: statistics.median(r[p] for r in many) for p in ("p50_ms", "p95_ms", "p99_ms")},
        "one_p50_ms": statistics.median(r["p50_ms"] for r in one),
    }


def rate_of(network, quick, in_flight=IN_FLIGHT, **more):
    rounds, jobs = (1, 1000) if quick else (3, 10000)
    network.jobs(max(100, jobs // 10), in_flight, **more)  # warms caches and allocators
    many = [network.jobs(jobs, in_flight, **more) for _ in range(rounds)]
    one = [network.jobs(max(50, jobs // 50), 1, **more) for _ in range(rounds)]
    return summary(many, one)


def workers(bed, number, quick):
    with bed.network() as network:
        return rate_of(network.serve(SLOTS, number), quick)


def tiers(bed, number, quick):
    with bed.network(tiers=names(number)) as network:
        return rate_of(network.serve(SLOTS // number), quick)


def body(bed, size, quick):
    with bed.network(context=0) as network:
        network.serve(SLOTS)
        in_flight = max(1, min(IN_FLIGHT, BODIES_IN_FLIGHT // size))
        rounds, jobs = (1, 200) if quick else (3, max(500, min(10000, (256 << 20) // size)))
        network.jobs(50 if quick else 100, in_flight, body=size)
        many = [network.jobs(jobs, in_flight, body=size) for _ in range(rounds)]
        one = [network.jobs(20 if quick else 200, 1, body=size) for _ in range(rounds)]
        found = summary(many, one)
        return {**found, "in_flight": in_flight, "mib_per_s": round(found["jobs_per_s"] * size / (1 << 20), 2)}


def waiting(bed, number, quick):
    ends = 1000 if quick else 20000
    with bed.network(settings=ROOM, tiers=names(2 if quick else LANE_TIERS)) as network:
        network.serve(LANE_SLOTS)
        slots = LANE_SLOTS * len(network.tiers)
        # The ids of the last 32,768 jobs are remembered, whether or not any waits: they are there before.
        network.jobs(1000 if quick else 40000, slots)
        if number == 0:
            with network.load(ends, slots, classes=Backlog.classes) as result:
                return {**probe(network, quick), "jobs_per_s": result()["ends_per_s"]}
        before = network.calm_kib("og-scheduler")
        with Backlog(network, number, slots, ends) as backlog:
            each = (network.calm_kib("og-scheduler") - before) * 1024 / backlog.window
            backlog.go()
            found = probe(network, quick)
            result = backlog.result()
        return {
            **found,
            "jobs_per_s": result["ends_per_s"],
            "fill_per_s": round(backlog.window / backlog.filled_s, 1),
            "bytes_a_waiting_job": round(each) if number >= MANY_WAITING else None,
        }


def probe(network, quick):
    """What becomes of a job of the best class meanwhile: one after another."""
    result = network.jobs(50 if quick else 200, 1, classes=("high",))
    return {"high_p50_ms": result["p50_ms"], "high_p99_ms": result["p99_ms"]}


def invited(network, name):
    """The data root of a node that was invited: who speaks for more than 256 processes is not believed."""
    line = network.command("og-broker-config", "invite", name, "--endpoints", f"127.0.0.1:{network.rabbit.port}")
    root = network.root / name
    root.mkdir()
    done = network.run("og-broker-config", "accept", line.strip(), env={"OPENGATEWAY_POC_ROOT": str(root)})
    if done.returncode:
        raise RuntimeError(f"accept ended with {done.returncode}: {done.stderr.decode()}")
    return root


def speak(network, number):
    """The heartbeats of so many nodes; the processes."""
    speakers = []
    for first in range(0, number, NODES_A_USER):
        root, out, process = invited(network, f"sim{first}"), network.root / f"sim{first}.log", Process()
        args = ["--config", root / "config.ini", "--nodes", min(NODES_A_USER, number - first), "--first", first]
        environment = network.environment(OPENGATEWAY_POC_ROOT=str(root))
        process.spawn([BUILD / "tests/bench/bench_nodes", *map(str, args), "--tier", TIER], environment, out)
        speakers.append((process, out))
    return speakers


def nodes(bed, number, quick):
    with bed.network() as network:
        network.serve(SLOTS)
        network.jobs(1000, IN_FLIGHT)
        before = network.calm_kib("og-scheduler")
        known = network.scheduler_says()["scheduler"]["nodes"]
        speakers = speak(network, number)
        try:
            for process, out in speakers:
                wait_for("bench_nodes", lambda out=out: "speaking" in out.read_text(), 30, process.process)
            wait_for("all nodes", lambda: network.scheduler_says()["scheduler"]["nodes"] == known + number, 30)
            memory = (network.calm_kib("og-scheduler") - before) * 1024 / number
            found = {"scheduler_idle_percent": idle_percent(network, 2 if quick else 10), **rate_of(network, quick)}
            if any(process.process.poll() is not None for process, _ in speakers):
                raise RuntimeError(f"bench_nodes ended meanwhile: {[out.read_text() for _, out in speakers]}")
        finally:
            for process, _ in speakers:
                process.end(15, 10)
        return {**found, "bytes_a_node": round(memory) if number >= 100 else None}


def idle_percent(network, seconds):
    """Of a core, that the scheduler takes while nobody asks for anything."""
    session = network.programs("og-scheduler")[0].process.pid
    before, began = cpu_s(session), time.monotonic()
    time.sleep(seconds)
    return round((cpu_s(session) - before) * 100 / (time.monotonic() - began), 2)


def streams(bed, number, quick):
    """Through the gateway: so many clients, each with a stream that is open while memory is looked at."""
    with bed.engine() as engine, bed.gateway(engine) as (network, url, key):
        asked = network.root / "asked.json"
        count = 4 if quick else 20
        prompt = f"[[stub tokens={count} pace_ms=500]]"
        asked.write_text(json.dumps({"model": TIER, "stream": True, "messages": [{"role": "user", "content": prompt}]}))
        args = ["--url", f"{url}/v1/chat/completions", "--body", asked, "--words", count, "--clients", number, "--once", "--stream"]
        args += ["--header", f"Authorization: Bearer {key}"]
        kinds = ("og-gateway", "og-scheduler", "og-worker")
        before = {kind: network.calm_kib(kind) for kind in kinds}
        most = dict(before)
        with network.beside([str(BUILD / "tests/bench/bench_http"), *map(str, args)]) as result:
            while result.process.poll() is None:
                most = {kind: max(most[kind], network.anonymous_kib(kind)) for kind in kinds}
                time.sleep(0.2)
            said = result()
        each = {f"{kind[3:]}_bytes": round((most[kind] - before[kind]) * 1024 / number) for kind in kinds}
        return {"open": said["open_max"], "whole": said["ended"], **each}


def tokens(bed, number, quick):
    """At 50 tokens/s a stream, and at 100."""
    seconds = 1 if quick else 10
    with bed.engine() as engine, bed.network(engine) as network:
        network.serve(1024)
        return {f"offered_{rate}": stream_load(network, number, 1000 // rate, seconds) for rate in (50, 100)}


def stream_load(network, number, pace_ms, seconds):
    args = ["--config", network.root / "config.ini", "--streams", number, "--tokens", seconds * 1000 // pace_ms]
    found = json.loads(network.command("bench_tokens", *args, "--pace", pace_ms, "--tier", TIER))
    together = round(found["events"] / max(1, found["messages"]), 2)
    return {**found, "offered_per_s": number * 1000 // pace_ms, "events_a_message": together}


MEASURES = {
    "workers": workers,
    "tiers": tiers,
    "waiting": waiting,
    "million": waiting,
    "body": body,
    "nodes": nodes,
    "streams": streams,
    "tokens": tokens,
}
NAMES = tuple(MEASURES)


def measure(quick, only=None, shared=None):
    """{part: {point: figures}}; without `only` all but the million, which takes many minutes."""
    results = {}
    for part in only or [part for part in MEASURES if part != "million"]:
        points = (QUICK if quick else FULL)[part]
        results[part] = {str(point): measure_point(shared, part, point, quick) for point in points}
    return results


def measure_point(shared, part, point, quick):
    """But for a quick run on a bed of its own: a broker that has had a million messages is another than a new one."""
    began = time.monotonic()
    with own_or(shared) as bed:
        found = MEASURES[part](bed, point, quick)
    log(f"scale {part} {point}: {time.monotonic() - began:.0f} s")
    return found


CURVE = {"jobs/s": "jobs_per_s", "p50, ms": "p50_ms", "p95, ms": "p95_ms", "p99, ms": "p99_ms", "one in flight: p50, ms": "one_p50_ms"}
BACKLOG = {
    "jobs/s": "jobs_per_s",
    "of `high` meanwhile: p50, ms": "high_p50_ms",
    "p99, ms": "high_p99_ms",
    "bytes a waiting job": "bytes_a_waiting_job",
    "submitted/s": "fill_per_s",
}
COLUMNS = {
    "workers": CURVE,
    "tiers": CURVE,
    "waiting": BACKLOG,
    "million": BACKLOG,
    "body": {"in flight": "in_flight", **CURVE, "MiB/s": "mib_per_s"},
    "nodes": {**CURVE, "bytes a node": "bytes_a_node", "scheduler at rest, % of a core": "scheduler_idle_percent"},
    "streams": {
        "open": "open",
        "bytes in the worker": "worker_bytes",
        "in the scheduler": "scheduler_bytes",
        "in the gateway": "gateway_bytes",
    },
}
HEADS = {
    "workers": "workers",
    "tiers": "tiers",
    "waiting": "waiting jobs",
    "million": "waiting jobs",
    "body": "bytes of a body",
    "nodes": "nodes",
    "streams": "streams through the gateway",
}
STREAM_COLUMNS = {
    "events/s": "events_per_s",
    "events/s while all were open": "steady_per_s",
    "late: p50, ms": "late_p50_ms",
    "p99, ms": "late_p99_ms",
    "events a message": "events_a_message",
    "missing": "missing",
}


def cells(columns, figures):
    return ["" if figures.get(key) is None else figure(figures[key]) for key in columns.values()]


def table_of(part, points):
    lines = [(f"{int(point):,}", *cells(COLUMNS[part], figures)) for point, figures in points.items()]
    return markdown((HEADS[part], *COLUMNS[part]), lines)


def table_of_tokens(points):
    lines = [
        (f"{int(streams):,}", f"{found['offered_per_s']:,}", *cells(STREAM_COLUMNS, found))
        for streams, rates in points.items()
        for found in rates.values()
    ]
    return markdown(("streams", "offered, tokens/s", *STREAM_COLUMNS), lines)


def goals(results):
    """Of what the issue of speed asks for, what was measured: (what, to reach, measured)."""
    lines = []
    for part in ("waiting", "million"):
        points = results.get(part, {})
        most = max(points, key=int, default=None)
        if most and points[most].get("bytes_a_waiting_job") is not None:
            lines.append((f"bytes a waiting job, {int(most):,} waiting", "≤ 400", figure(points[most]["bytes_a_waiting_job"])))
        if most and "0" in points and most != "0":
            share = 100 * points[most]["jobs_per_s"] / points["0"]["jobs_per_s"]
            lines.append((f"jobs/s with {int(most):,} waiting, % of an empty backlog's", "≥ 70", figure(share)))
    for streams, rates in results.get("tokens", {}).items():
        if int(streams) >= 1000:
            best = max(found["steady_per_s"] for found in rates.values())
            lines.append((f"token events/s, {int(streams):,} streams", "≥ 50,000", figure(best)))
    return lines


SETUP = """\
The load is `bench_jobs`: one producer in C, a closed loop of no-op jobs (`engine.kind = echo`, 512-byte bodies) through RabbitMQ's quorum queues with
confirms, one scheduler with its records in Redis, and workers, all on this machine; the catalogue states a context of 2,048 tokens, but for *body*. Of several runs a point the median is told. `million` is measured only
where it is asked for (`--only scale:million`): it takes many minutes.

- *workers, tiers*: they share 640 slots, and 500 jobs are in flight, so that nothing waits in a lane and only their number varies.
- *waiting jobs*: 15 tiers of 32 slots, the classes `normal` and `batch`: 30 lanes. The tiers are paused until all that is to wait waits, which gives the
  memory that each takes (anonymous, of the scheduler, when it is calm); then they are resumed, and each job that ends is followed by another, so that just
  as many wait while jobs/s are counted. A job of the class `high` is submitted meanwhile, one after another. The bounds of lanes and intake are raised for
  it. With 0 waiting, as many are in flight as there are slots.
- *body*: the answer is as large as the request. As many are in flight as make 16 MiB, 500 at most.
- *nodes*: `bench_nodes` speaks for 250 nodes a connection, each every 2 s with 4 slots; one real worker does the work.
- *streams*: through the gateway; the most memory while they are open, less that before, by stream. A process is measured alone.
- *tokens*: an engine's streams of 50 and 100 tokens/s each, into one producer's reply queue without a gateway (`bench_tokens`). A stream is late by what
  it took beyond its pace.
"""


def tables(results):
    found = [table_of_tokens(points) if part == "tokens" else table_of(part, points) for part, points in results.items()]
    reached = goals(results)
    return "\n\n".join([SETUP.strip(), *found] + ([markdown(("", "to reach", "measured"), reached)] if reached else []))
