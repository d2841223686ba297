"""What the path adds to an engine: the time to the first token and the tokens/s of a stream through broker, scheduler and worker, against the
same engine asked directly in the same run."""

import importlib.util
import json
import subprocess
import sys

from bed import Bed
from network import REPO
from services import Process, free_port, wait_for
from tables import flat, markdown

TITLE = "What the path adds"
MODEL = "smollm2-135m"  # as the stub and the real engine call it
STUB = [REPO / "tests/support/stub_engine.py", "pace_ms=10", "first_ms=20", "tokens=32"]


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


def streams(bed, program, slots, rounds, tokens):
    """The same requests by the path and to the engine directly."""
    engine = Engine(program, bed.folder)
    try:
        with bed.network(engine.settings(), model=MODEL) as network:
            network.serve(slots)
            asked = ["--engine", engine.url, "--rounds", rounds, "--tokens", tokens]
            return json.loads(network.command("bench_stream", *asked))
    finally:
        engine.end(15, 10)


def stub(bed, quick):
    return streams(bed, STUB, 4, 20 if quick else 200, 32)


def model(bed, quick):
    if importlib.util.find_spec("xllamacpp") is None:
        return {"left out": "the packages of scripts/engine/requirements.txt are not in this Python"}
    found = streams(bed, [REPO / "scripts/engine/og-engine"], 2, 2 if quick else 20, 128)
    return {**found, "rate_ratio": round(found["tokens_per_s_path"] / found["tokens_per_s_direct"], 4)}


MEASURES = {"stub": stub, "model": model}
NAMES = tuple(MEASURES)


def measure(quick, only=None):
    with Bed() as bed:
        return {name: MEASURES[name](bed, quick) for name in only or MEASURES}


def tables(results):
    lines = [(engine, *line) for engine, found in results.items() for line in flat(found)]
    return (
        "`stub`: an engine that streams 32 tokens, one each 10 ms, the first after 20 ms. `model`: SmolLM2-135M in the embedded engine, "
        "128 tokens. To reach: 2 ms to the first token, 2 % of the tokens/s.\n\n" + markdown(("engine", "what", "measured"), lines)
    )
