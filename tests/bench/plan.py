"""The scheduler's decisions alone, for a simulated fleet of 1,000 nodes and a million jobs: fairness, waits, times told, speed."""

import json
import subprocess

from bed import BUILD
from tables import flat, markdown

TITLE = "The scheduler's decisions"


def measure(quick, only=None, shared=None):
    command = [BUILD / "tests/bench/sim_plan", *(["--quick"] if quick else [])]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def tables(results):
    words = "`sim_plan`: the plan's own code with a clock of the simulation's, without a broker.\n\n"
    return words + markdown(("simulated", "measured"), flat(results))
