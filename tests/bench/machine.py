"""What a measurement was made on: a figure without it says nothing."""

import functools
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from services import RABBIT_BIN


@functools.cache  # asked for each part
def said_by(*command):
    """The first number of a version in what a command says, or ''."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found.group() if found else ""


def cpu_model():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def disk_of(folder):
    """The file system that the brokers' logs are on."""
    done = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def cores_busy(seconds=1.0):
    """With others' work, that is, while we do nothing: the load average would tell of our own last part too."""

    def idle_ticks():
        return sum(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[4:6]))  # idle, and waiting for the disk

    before = idle_ticks()
    time.sleep(seconds)
    idle = (idle_ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds
    return round(max(0.0, os.cpu_count() - idle), 2)


def machine(busy_before):
    return {
        "taken": time.strftime("%Y-%m-%d"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "disk": disk_of("/tmp"),
        "versions": {
            "RabbitMQ": said_by(RABBIT_BIN.parent / "rabbitmqctl", "version"),
            "Redis": said_by("redis-server", "--version"),
            "Python": platform.python_version(),
            "Node": said_by("node", "--version"),
            "Go": said_by("go", "version"),
            "Java": said_by("java", "-version"),
        },
        "busy_before": busy_before,
    }


def words(m):
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items() if version)
    return f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']}, {m['disk']}; {versions}."


def busy_words(m, busy_after):
    busy = f"others' work took {m['busy_before']} of {m['cores']} cores before, {busy_after} after"
    if max(m["busy_before"], busy_after) > m["cores"] / 10:
        busy += ": the figures are of a busy machine"
    return f"{m['taken']}; {busy}."
