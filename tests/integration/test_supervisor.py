"""The supervisor with the servers that it is for: `og start` with the embedded RabbitMQ and Redis."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import REPO, Cluster  # noqa: E402
from services import free_port, wait_for  # noqa: E402

OG = Path(os.environ.get("OG_BUILD", REPO / "build/asan")) / "og"


class Node:
    def __init__(self, root):
        self.root = root
        port = free_port()
        self.cluster = Cluster(root, "kept", f"127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}")
        self.cluster.run("render", root)
        self.service(
            "10-rabbitmq",
            f'command = "{REPO}/scripts/embedded/og-rabbitmq" "{root}/rabbitmq"',
            f"ready = tcp:127.0.0.1:{port}",
            "stop_ms = 60000",
        )
        self.service(
            "20-redis", f'command = redis-server "{root}/redis/redis.conf"', f"ready = unix:{root}/redis/redis.sock"
        )

    def service(self, name, *lines):
        (self.root / "services").mkdir(exist_ok=True)
        (self.root / f"services/{name}.ini").write_text("\n".join(["[service]", *lines, ""]))

    def og(self, *args):
        subprocess.run(
            [OG, *args], env={**os.environ, "OPENGATEWAY_POC_ROOT": str(self.root)}, timeout=120, check=True
        )

    def status(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.root / "run/supervisor.sock"))
            s.sendall(b'{"verb":"status"}\n')
            return json.loads(s.makefile().readline())

    def processes(self):
        """name → pids of all that have a file of this root open."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                if any(os.readlink(fd).startswith(f"{self.root}/") for fd in (folder / "fd").iterdir()):
                    found.setdefault((folder / "comm").read_text().strip(), []).append(int(folder.name))
            except (OSError, ValueError):
                continue
        return found


@pytest.fixture
def node(tmp_path):
    n = Node(tmp_path / "ro ot")
    yield n
    n.og("stop")


def test_there_is_one_of_each_server_whoever_is_killed(node):
    node.og("start")
    node.cluster.run("apply")
    (redis,) = node.processes()["redis-server"]
    os.kill(redis, signal.SIGKILL)
    wait_for("Redis again", lambda: node.status()["ready"] and node.status()["services"][1]["restarts"] == 1, 30)

    first = node.processes()
    assert len(first["beam.smp"]) == 1 and len(first["redis-server"]) == 1 and first["redis-server"] != [redis]
    os.kill(node.status()["pid"], signal.SIGKILL)
    left = node.processes()
    assert left["beam.smp"] == first["beam.smp"] and left["redis-server"] == first["redis-server"]

    node.og("start")
    second = node.processes()
    for server in ("beam.smp", "redis-server"):
        assert len(second[server]) == 1 and second[server] != first[server], server
    assert node.cluster.run("check") == ("", ""), "what the first broker kept is gone"

    node.og("stop")
    assert set(node.processes()) <= {"og"}, "a server outlives the stop"
    wait_for("the end of the supervisor itself", lambda: not node.processes(), 10)
