"""What the path adds to the streams of an engine: the time to the first token and tokens/s, with 1, 8 and 64 streams at a time, beside the
same engine asked directly and through gateways.

All rows are started first, and measured in turn, round after round, by the same program (bench_stream), which asks the engine and the gateways
over HTTP, and ours by the path itself: broker, scheduler, worker."""

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys

from bed import BUILD, log, own_or, rotated
from gateways import NAMES as GATEWAYS
from gateways import rows_of
from network import REPO, TIER
from services import Process, free_port, wait_for
from tables import figure, markdown, percentiles

TITLE = "What the path adds"
DIRECT, OURS = "engine", "OpenGateway"
STREAMS = (1, 8, 64)
TOKENS, PACE_MS = 32, 10
MODEL_TOKENS, QUICK_MODEL_TOKENS = 64, 16
SLOTS = 2  # of the real engine
THREADS = max(1, os.cpu_count() - 1)  # likewise: with one a core it would wait for whatever else runs, at each step of each token
FIRST_MS, LESS_PERCENT = 2, 2  # to reach: with one stream, and with eight
TIMEOUT_S = 300


class Streams:
    """A row: bench_stream's words for whom it asks, and what it has said, by the number of streams."""

    def __init__(self, name, version, words, environment=None):
        self.name, self.version = name, version
        self.words, self.environment = [str(word) for word in words], environment
        self.rounds = {}
        self.failed = None

    @classmethod
    def of_url(cls, name, version, url, model, headers=()):
        return cls(name, version, ["--url", url, "--model", model, *(word for line in headers for word in ("--header", line))])

    @classmethod
    def of_network(cls, network, version=""):
        return cls(OURS, version, ["--tier", TIER], network.environment())

    def ask(self, streams, each, tokens, prompt, spread_ms):
        """What it says; RuntimeError where it fails."""
        load = ["--streams", streams, "--each", each, "--tokens", tokens, "--prompt", prompt, "--spread", spread_ms]
        command = [BUILD / "tests/bench/bench_stream", *self.words, *map(str, load)]
        try:
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as late:
            raise RuntimeError(f"not over after {TIMEOUT_S} s") from late
        if done.returncode:
            raise RuntimeError(f"ended with {done.returncode}: {done.stderr.strip()[:200]}")
        said = json.loads(done.stdout)
        if prompt.startswith("[[stub") and said["tokens"] != streams * each * tokens:
            raise RuntimeError(f"{said['tokens']} tokens of {streams * each * tokens}")
        return said

    def measure(self, streams, each, tokens, prompt, spread_ms=0):
        """One that failed is asked no more; the engine and ours may not."""
        if self.failed:
            return
        try:
            said = self.ask(streams, each, tokens, prompt, spread_ms)
        except RuntimeError as why:
            if self.name in (DIRECT, OURS):
                raise
            self.failed = f"{streams} streams: {why}"
            log(f"{self.name}: {self.failed}")
        else:
            self.rounds.setdefault(str(streams), []).append(said)


def percentile(values, percent):
    return sorted(values)[round((len(values) - 1) * percent / 100)] if values else None


def summary(rounds, direct):
    """First tokens: of the answers of all rounds together, and beyond the engine's. Rates: the median of a round, and how much less than the
    engine's in the same round, the median over the rounds."""
    mine, engines = ([ms for said in of for ms in said["first_ms"]] for of in (rounds, direct))
    first = {f"p{p}": round(percentile(mine, p), 3) for p in (50, 95, 99)}
    adds = {f"adds_p{p}": round(percentile(mine, p) - percentile(engines, p), 3) for p in (50, 95, 99)}
    rates, engine_rates = ([statistics.median(said["per_s"]) for said in of] for of in (rounds, direct))
    less = [100 * (1 - rate / engine) for rate, engine in zip(rates, engine_rates)]
    return {
        "answers": len(mine),
        "first_ms": {**first, **adds},
        "tokens_per_s": round(statistics.median(rates), 2),
        "less_percent": round(statistics.median(less), 2),
    }


def summaries(rows):
    direct = rows[0].rounds
    return {
        row.name: {
            "version": row.version,
            "failed": row.failed,
            "streams": {streams: summary(rounds, direct[streams]) for streams, rounds in row.rounds.items()},
        }
        for row in rows
    }


def stub(quick, shared):
    """In front of an engine that costs next to nothing, beside gateways."""
    rounds, each = (1, {1: 3, 8: 1, 64: 1}) if quick else (5, {1: 20, 8: 8, 64: 3})
    prompt = f"[[stub tokens={TOKENS} pace_ms={PACE_MS}]] Tell me a story about a river."
    with rows_of(GATEWAYS, shared) as (running, skipped, _):
        rows = [Streams.of_url(row.name, row.version, row.url, row.model, row.headers()) for row in running]
        rows += [Streams.of_network(row.network, row.version) for row in running if row.name == "og-gateway"]
        for number in range(rounds):
            log(f"streams of the stub, round {number + 1}")
            for streams in STREAMS:
                for row in rotated(rows, number):
                    row.measure(streams, each[streams], TOKENS, prompt, TOKENS * PACE_MS)
        return {"rounds": rounds, "rows": summaries(rows), "skipped": skipped}


@contextlib.contextmanager
def real_engine(folder):
    """The embedded engine: its URL."""
    port, process = free_port(), Process()
    url = f"http://127.0.0.1:{port}"
    args = [sys.executable, REPO / "scripts/engine/og-engine", "--port", port, "--slots", SLOTS, "--threads", THREADS]
    process.spawn([*map(str, args)], log=folder / "engine.log")
    try:
        probe = ["curl", "-sf", "-o", os.devnull, url + "/v1/models"]
        wait_for("the engine", lambda: subprocess.run(probe, check=False).returncode == 0, 60, process.process)
        yield url
    finally:
        process.end(15, 10)


def model(quick, shared):
    """One stream at a time, and always the same prompt: the engine keeps it in the slot that it was last asked in, so that after the first
    answers, which do not count, nobody waits for more of a prompt than the other."""
    if importlib.util.find_spec("xllamacpp") is None:
        return {"left out": "the packages of scripts/engine/requirements.txt are not in this Python"}
    rounds, each, tokens = (1, 1, QUICK_MODEL_TOKENS) if quick else (5, 2, MODEL_TOKENS)
    name, prompt = "smollm2-135m", "Tell me a story about a river."
    with own_or(shared) as bed, real_engine(bed.folder) as url:
        with bed.network(f"kind = openai\nurl = {url}\n", model=name) as network:
            network.serve(SLOTS)
            rows = [Streams.of_url(DIRECT, "", url + "/v1/chat/completions", name), Streams.of_network(network)]
            for number in range(rounds):
                log(f"streams of the model, round {number + 1}")
                for row in rotated(rows, number):
                    row.measure(1, each, tokens, prompt)
            return {"rounds": rounds, "rows": summaries(rows), "skipped": {}}


MEASURES = {"stub": stub, "model": model}
NAMES = tuple(MEASURES)


def measure(quick, only=None, shared=None):
    return {name: MEASURES[name](quick, shared) for name in only or MEASURES}


def table(found, title, cell_of):
    """A line a row, a column a number of streams."""
    numbers = list(found["rows"][DIRECT]["streams"])
    head = [title, *(f"{n} stream{'s' if n != '1' else ''}" for n in numbers)]
    lines = []
    for name, row in found["rows"].items():
        cells = [cell_of(name, row["streams"][n]) if n in row["streams"] else "failed" for n in numbers]
        lines.append((f"{name} {row['version']}".strip(), *cells))
    lines += [(name, f"skipped: {why}", *[""] * (len(numbers) - 1)) for name, why in found["skipped"].items()]
    return markdown(head, lines)


def first(name, cell):
    return percentiles(cell["first_ms"], "" if name == DIRECT else "adds_")


def rate(name, cell):
    said = f"{figure(cell['tokens_per_s'])}"
    return said if name == DIRECT else f"{said} ({figure(cell['less_percent'])})"


def goals(found):
    streams = found["rows"].get(OURS, {}).get("streams", {})
    lines = []
    if "1" in streams:
        lines.append(
            ("added to the first token, one stream, median, ms", f"≤ {FIRST_MS}", figure(streams["1"]["first_ms"]["adds_p50"]))
        )
    if "8" in streams:
        lines.append(("tokens/s with 8 streams, % less", f"≤ {LESS_PERCENT}", figure(streams["8"]["less_percent"])))
    return markdown((OURS, "to reach", "measured"), lines)


def tables_of(name, found):
    if "left out" in found:
        return [f"`{name}`: left out, {found['left out']}."]
    return [
        f"`{name}`, {found['rounds']} rounds:",
        table(found, "first token: the engine's, and what is added; ms", first),
        table(found, "tokens/s of an answer (% less than the engine's)", rate),
        *(f"{row} failed: {of['failed']}" for row, of in found["rows"].items() if of["failed"]),
    ]


SETUP = f"""\
So many streams at a time, each of which asks again as soon as its answer has ended. The row **engine** is asked directly, the gateways as in *Gateways*, and
**{OURS}** by the path itself, over AMQP: broker, scheduler, worker, with all that makes them durable, those which og-gateway has behind it.
- *first token*: from asking, p50 / p95 / p99 of the answers of all rounds; of others than the engine less its own.
- *tokens/s of an answer*: its tokens by the time from asking to its end, the wait for the first token included; the median. A difference is the median of
  the rounds'.
- `stub`: `bench_engine`, {TOKENS} tokens, the first at once and then one each {PACE_MS} ms; the streams begin spread over an answer's time, so that not all tokens fall due
  at the same moment.
- `model`: SmolLM2-135M in the embedded engine with {SLOTS} slots and a thread less than there are cores, which leaves one to all else; {MODEL_TOKENS} tokens
  ({QUICK_MODEL_TOKENS} in a quick run), one stream, always the same prompt, which is in the engine's cache for whoever asks.
"""


def tables(results):
    parts = [SETUP.strip()]
    for name, found in results.items():
        parts += tables_of(name, found)
    if "stub" in results:
        parts.append(goals(results["stub"]))
    return "\n\n".join(parts)
