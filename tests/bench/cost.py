"""What a job costs: CPU of each process, system calls, allocations; and what a token of a stream costs on the wire.

  cpu          microseconds of each process a job (512-byte body), with 1, 500 and 5,000 in flight: of the latter most wait in a lane
  syscalls     a job, counted by strace, which slows what it counts: what then waits is done together more often
  allocations  a job, counted by a library that is preloaded (allocs.c)
  wire         bytes of TCP a token, of the worker and of the producer, each way (ss)

What cannot be measured here says why.
"""

import resource
import shutil
import signal
import statistics
import struct
import subprocess
import time

from bed import BUILD, log, own_or
from network import TIER
from proc import cpu_s
from services import wait_for
from tables import figure, markdown

TITLE = "Cost of a job"
SLOTS = 640
TO_REACH_US = 60
ALLOCS = BUILD / "tests/bench/libbench_allocs.so"
COUNTS = struct.Struct("=4Q")  # allocs.c
PROGRAMS = ("og-scheduler", "og-worker")


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def used_s(bed, network):
    """By each of the processes since it began; of bench_jobs since we did."""
    sessions = {kind: network.programs(kind)[0] for kind in PROGRAMS} | {"RabbitMQ": bed.rabbit, "Redis": bed.redis}
    return {"producer": children_s(), **{name: cpu_s(process.process.pid) for name, process in sessions.items()}}


def cpu(bed, quick):
    with bed.network() as network:
        network.serve(SLOTS)
        network.jobs(1000, 500)
        return {str(window): cpu_with(bed, network, window, quick) for window in (1, 500, 5000)}


def cpu_with(bed, network, window, quick):
    rounds, jobs = (1, 200 if window == 1 else 6000) if quick else (3, 2000 if window == 1 else 30000)
    found = []
    for _ in range(rounds):
        stored, before = network.stored(), used_s(bed, network)
        network.jobs(jobs, window)
        producer = children_s()
        wait_for("all results to be stored", lambda: network.stored() >= stored + jobs)  # noqa: B023
        after = {**used_s(bed, network), "producer": producer}
        found.append({name: (used - before[name]) * 1e6 / jobs for name, used in after.items()})
    us = {name: round(statistics.median(r[name] for r in found), 1) for name in found[0]}
    ours = sum(us[name] for name in ("producer", *PROGRAMS))
    return {**us, "ours": round(ours, 1), "jobs": jobs}


def syscalls(bed, quick):
    if not shutil.which("strace"):
        return {"skipped": "there is no strace here"}
    with bed.network() as network:
        network.serve(SLOTS)
        network.jobs(1000, 500)
        return {str(window): syscalls_with(network, window, quick) for window in (1, 500)}


def syscalls_with(network, window, quick):
    jobs = (100 if window == 1 else 2000) if quick else (500 if window == 1 else 20000)
    tracers = {kind: Strace(network, kind) for kind in PROGRAMS}
    try:
        for tracer in tracers.values():
            why = tracer.attach()
            if why:
                return {"skipped": why}
        network.jobs(jobs, window)
    finally:
        counts = {kind: tracer.detach() for kind, tracer in tracers.items()}
    return {kind: {name: round(n / jobs, 3) for name, n in calls.items()} for kind, calls in counts.items()}


class Strace:
    """Counts the calls of one program while it is attached."""

    def __init__(self, network, kind):
        self.pid = network.programs(kind)[0].process.pid
        self.out, self.said = network.root / f"{kind}.calls", network.root / f"{kind}.strace"
        self.process = None

    def attach(self):
        """None, or why it cannot."""
        with open(self.said, "wb") as said:
            args = ["strace", "-c", "-f", "-U", "calls,name", "-o", self.out, "-p", str(self.pid)]
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        wait_for("strace", lambda: "attached" in self.said.read_text() or self.process.poll() is not None, 20)
        return None if self.process.poll() is None else f"strace: {self.said.read_text().strip().splitlines()[-1]}"

    def detach(self):
        """{name: calls}, most first, `total` before them."""
        if not self.process or self.process.poll() is not None:
            return {}
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        rows = [line.split() for line in self.out.read_text().splitlines()]
        calls = {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}
        return dict(sorted(calls.items(), key=lambda call: -call[1]))


def allocations(bed, quick):
    if not ALLOCS.exists():
        return {"skipped": f"there is no {ALLOCS.name}: a build with sanitizers has an allocator of its own"}
    with bed.network() as network:
        counts = network.root / "allocs"
        network.serve(SLOTS, env={"LD_PRELOAD": str(ALLOCS), "OG_ALLOCS": str(counts)})
        network.jobs(1000, 500)
        return {str(window): allocations_with(network, counts, window, quick) for window in (1, 500)}


def allocations_with(network, counts, window, quick):
    jobs = (200 if window == 1 else 2000) if quick else (2000 if window == 1 else 20000)
    files = {kind: f"{counts}.{network.programs(kind)[0].process.pid}" for kind in PROGRAMS}

    def now():
        found = {}
        for kind, file in files.items():
            with open(file, "rb") as page:
                found[kind] = COUNTS.unpack(page.read(COUNTS.size))
        return found

    before = now()
    network.jobs(jobs, window)
    after = now()
    whats = ("allocations", "reallocations", "frees", "bytes")
    return {
        kind: {what: round((after[kind][i] - before[kind][i]) / jobs, 2) for i, what in enumerate(whats)} for kind in files
    }


def wire(bed, quick):
    if not shutil.which("ss"):
        return {"skipped": "there is no ss here (iproute2)"}
    with bed.engine() as engine, bed.network(engine) as network:
        network.serve(1024)
        return {str(streams): wire_with(network, streams, quick) for streams in ((1, 50) if quick else (1, 8, 64, 1000))}


def wire_with(network, streams, quick):
    """Looked at twice while all streams are open, at 50 tokens/s each: what lies between is of so many tokens as come in that time."""
    pace_ms, seconds = 20, 2 if quick else 10
    args = ["--config", network.root / "config.ini", "--streams", streams, "--tokens", seconds * 1000 // pace_ms]
    args += ["--pace", pace_ms, "--tier", TIER]
    worker = network.programs("og-worker")[0].process.pid
    with network.beside([str(BUILD / "tests/bench/bench_tokens"), *map(str, args)]) as result:
        ends = {"worker": worker, "producer": result.process.pid}
        time.sleep(seconds / 4)
        first, began = {end: sent_and_received(pid, network.rabbit.port) for end, pid in ends.items()}, time.monotonic()
        time.sleep(seconds / 2)
        last, passed = {end: sent_and_received(pid, network.rabbit.port) for end, pid in ends.items()}, time.monotonic() - began
        said = result()
    tokens = said["steady_per_s"] * passed
    found = {"events_a_message": round(said["events"] / max(1, said["messages"]), 2)}
    for end in ends:
        for i, way in enumerate(("sent", "received")):
            found[f"{end}_{way}"] = round((last[end][i] - first[end][i]) / tokens, 1)
    return found


def sent_and_received(pid, port):
    """Bytes of TCP, of a process's connections to the broker since they began."""
    lines = subprocess.run(
        ["ss", "-tinHOp", "dport", "=", f":{port}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    mine = [line.split() for line in lines if f"pid={pid}," in line]

    def total(what):
        return sum(int(word.split(":")[1]) for words in mine for word in words if word.startswith(what + ":"))

    return total("bytes_sent"), total("bytes_received")


MEASURES = {"cpu": cpu, "syscalls": syscalls, "allocations": allocations, "wire": wire}
NAMES = tuple(MEASURES)


def measure(quick, only=None, shared=None):
    results = {}
    with own_or(shared) as bed:
        for part in only or MEASURES:
            began = time.monotonic()
            results[part] = MEASURES[part](bed, quick)
            log(f"cost {part}: {time.monotonic() - began:.0f} s")
    return results


def table_of_cpu(found):
    names = [name for name in found["500"] if name not in ("jobs", "ours")] + ["ours"]
    heads = {"ours": "ours together"}
    lines = [(f"{int(window):,}", *(figure(us[name]) for name in names)) for window, us in found.items()]
    return markdown(("CPU a job, µs; in flight", *(heads.get(name, name) for name in names)), lines)


def table_of_syscalls(found):
    lines = []
    for window, kinds in found.items():
        if "skipped" in kinds:
            return f"System calls: skipped, {kinds['skipped']}"
        for kind, calls in kinds.items():
            most = ", ".join(f"{name} {figure(n)}" for name, n in list(calls.items())[:6] if name != "total")
            lines.append((kind, window, figure(calls.get("total", 0)), most))
    return markdown(("system calls a job", "in flight", "all", "most of them"), lines)


def table_of_allocations(found):
    lines = [
        (kind, window, *(figure(n) for n in counts.values())) for window, kinds in found.items() for kind, counts in kinds.items()
    ]
    return markdown(("allocations a job", "in flight", "allocations", "reallocations", "frees", "bytes"), lines)


def table_of_wire(found):
    ways = ("worker_sent", "worker_received", "producer_received", "producer_sent", "events_a_message")
    lines = [(f"{int(streams):,}", *(figure(bytes_[way]) for way in ways)) for streams, bytes_ in found.items()]
    heads = ("worker sends", "receives", "producer receives", "sends", "tokens a message")
    return markdown(("bytes a token; streams", *heads), lines)


TABLES = {"cpu": table_of_cpu, "syscalls": table_of_syscalls, "allocations": table_of_allocations, "wire": table_of_wire}


SETUP = """\
The load is that of *Scale*, with 640 slots.

- *CPU*: of the whole process tree (`/proc/<pid>/stat`) over a run, by job, until Redis has all results. The producer's is that of `bench_jobs`, its start and connecting included.
- *system calls* are counted by strace, which slows its program: what waits meanwhile is done together, so there are fewer of them with many in flight than
  without it.
- *bytes a token*: of TCP, both directions of the worker's and the producer's connections to the broker, between two looks while all streams are open.
"""


def tables(results):
    found = [
        f"{part.capitalize()}: skipped, {results[part]['skipped']}" if "skipped" in results[part] else TABLES[part](results[part])
        for part in results
    ]
    if "cpu" in results:
        ours = figure(results["cpu"]["500"]["ours"])
        found.append(markdown(("", "to reach", "measured"), [("our CPU a job, 500 in flight, µs", f"≤ {TO_REACH_US}", ours)]))
    return "\n\n".join([SETUP.strip(), *found])
