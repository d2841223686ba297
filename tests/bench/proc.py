"""What the kernel says of processes."""

import os
from pathlib import Path


def stats_of(session):
    """What /proc/<pid>/stat says behind the name, and its folder, of the processes of a session as Process.spawn makes one."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == session:
            yield fields, stat.parent


def memory_mib(session):
    kib = 0
    for _, folder in stats_of(session):
        try:
            rollup = (folder / "smaps_rollup").read_text()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return round(kib / 1024, 1)


def cpu_s(session):
    ticks = sum(int(fields[11]) + int(fields[12]) for fields, _ in stats_of(session))
    return ticks / os.sysconf("SC_CLK_TCK")


def anonymous_kib(pid):
    """Memory that is a process's own, and no file's."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    raise RuntimeError(f"no RssAnon of {pid}")
