"""The parsers' fuzzers, for a few seconds each; `scripts/test.sh fuzz` gives them longer."""

import os
import subprocess
import tempfile
from pathlib import Path

from rounds import Skipped, row

REPO = Path(__file__).resolve().parents[3]
FUZZERS = Path(os.environ.get("OG_FUZZERS", REPO / "build/clang/tests/fuzz"))


@row(20, "every parser is fuzzed, with sanitizers")
def fuzz(r):
    programs = [p for p in sorted(FUZZERS.glob("fuzz_*")) if p.is_file() and os.access(p, os.X_OK)]
    if not programs:
        raise Skipped(f"no fuzzers in {FUZZERS}: they are `scripts/test.sh fuzz`")
    seconds = r.pick(1, 3)
    for program in programs:
        with tempfile.TemporaryDirectory() as corpus:
            done = subprocess.run(
                [program, f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=1024", "-verbosity=0",
                 f"-seed={r.rng.randrange(1, 1 << 31)}", f"-artifact_prefix={corpus}/",
                 corpus, REPO / "tests/fuzz/seeds" / program.name.removeprefix("fuzz_")],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        r.hold(f"{program.name} ended with {done.returncode}: {done.stderr[-500:]}", done.returncode == 0)
        r.count("parsers")
    r.did(f"{len(programs)} parsers, {seconds} s each")
