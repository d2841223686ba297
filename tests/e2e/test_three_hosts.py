"""Three nodes on three hosts: network namespaces from which nothing but the broker's port can be reached. Where namespaces are not allowed,
the same three nodes run as three roots on this host."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from conftest import REPO, Installation
from support.services import Process, free_port, wait_for

HUB = "10.214.77.1"
NAMES = ("NodeA", "NodeB", "NodeC")


def sh(*args):
    subprocess.run(args, check=True, capture_output=True, text=True)


class Hosts:
    """A bridge with one namespace a node; each may only talk to the hub's broker port."""

    def __init__(self, broker_port):
        self.tag = uuid.uuid4().hex[:6]
        self.bridge = f"ogb{self.tag}"
        self.names = {}
        sh("ip", "link", "add", self.bridge, "type", "bridge")
        try:
            sh("ip", "addr", "add", f"{HUB}/24", "dev", self.bridge)
            sh("ip", "link", "set", self.bridge, "up")
            for n, name in enumerate(NAMES, 2):
                self.add(name, n, broker_port)
        except subprocess.CalledProcessError:
            self.remove()
            raise

    def add(self, name, n, broker_port):
        space = f"og-{self.tag}-{name.lower()}"
        outside, inside = f"og{self.tag}{n}", f"in{self.tag}{n}"
        sh("ip", "netns", "add", space)
        self.names[name] = space
        sh("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
        sh("ip", "link", "set", outside, "master", self.bridge, "up")
        sh("ip", "-n", space, "addr", "add", f"10.214.77.{n}/24", "dev", inside)
        sh("ip", "-n", space, "link", "set", inside, "up")
        sh("ip", "-n", space, "link", "set", "lo", "up")
        for rule in (
            ["-A", "OUTPUT", "-o", "lo", "-j", "ACCEPT"],
            ["-A", "OUTPUT", "-d", HUB, "-p", "tcp", "--dport", str(broker_port), "-j", "ACCEPT"],
            ["-A", "OUTPUT", "-j", "REJECT"],
        ):
            sh("ip", "netns", "exec", space, "iptables", *rule)

    def prefix(self, name):
        return ["ip", "netns", "exec", self.names[name]]

    def remove(self):
        for space in self.names.values():
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True, check=False)


class Engine(Process):
    """The real model on a host's own loopback."""

    def __init__(self, prefix, log):
        super().__init__()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.prefix = prefix
        self.spawn([*prefix, sys.executable, str(REPO / "scripts/engine/og-engine"), "--port", str(port)], log=log)

    def ready(self):
        probe = [*self.prefix, "curl", "-sf", "-o", "/dev/null", self.url + "/health"]
        return subprocess.run(probe, check=False).returncode == 0


@pytest.fixture(scope="module")
def network(tmp_path_factory, cache):
    base = tmp_path_factory.mktemp("n")
    broker_port = free_port()
    try:
        hosts, why = Hosts(broker_port), None
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        hosts, why = None, getattr(error, "stderr", None) or str(error)
        print(f"no network namespaces here ({why.strip()}): three roots on one host instead")
    address = HUB if hosts else "127.0.0.1"
    hub = Installation(base / "hub")
    nodes = {name: Installation(base / name.lower(), hosts.prefix(name) if hosts else ()) for name in NAMES}
    engines = []
    try:
        hub.install(NODE_NAME="Hub", OG_LISTEN=f"{address}:{broker_port}", XDG_CACHE_HOME=str(cache))
        for name, node in nodes.items():
            join = hub.run(hub.root / "bin/og-broker-config", "invite", name.lower()).stdout.strip()
            more = {"OG_JOIN": join, "NODE_NAME": name, "XDG_CACHE_HOME": str(cache)}
            if name != "NodeC":
                engine = Engine(node.prefix, base / f"engine-{name}.log")
                engines.append(engine)
                wait_for(f"the engine of {name}", engine.ready, 60, engine.process)
                more |= {"POC_SERVE": "1", "OG_ENGINE_URL": engine.url}
            node.install(**more)
        yield hub, nodes, hosts
    finally:
        for node in nodes.values():
            node.remove()
        hub.remove()
        for engine in engines:
            engine.end(15, 10)
        if hosts:
            hosts.remove()


def test_namespaces_hold(network):
    _, _, hosts = network
    if not hosts:
        pytest.skip("network namespaces are not allowed here")
    probe = hosts.prefix("NodeC") + ["curl", "-s", "-m", "2", f"http://{HUB}:22/"]
    assert subprocess.run(probe, check=False).returncode == 7  # refused by the rule


def test_every_node_sees_the_others(network):
    _, nodes, _ = network
    for name, node in nodes.items():
        for other in set(NAMES) - {name}:
            wait_for(
                f"{name} to log {other} among its peers",
                lambda node=node, other=other, name=name: re.search(
                    rf"Peers: \[[^\]]*\b{other}\b", node.log(f"worker-{name.lower()}")
                ),
                30,
            )
        assert "Joined cluster gatewayai-poc" in node.log(f"worker-{name.lower()}")


def test_the_answer_comes_from_another_host(network):
    _, nodes, _ = network
    job = str(uuid.uuid4())
    answer = nodes["NodeC"].og("prompt", "--request-id", job, "What is 2+2?", timeout=120).stdout
    record = nodes["NodeC"].og_json("result", job)
    assert answer.strip() and record["node"]["name"] in ("NodeA", "NodeB")


def test_a_node_holds_no_key_to_redis_or_to_the_leases(network):
    _, nodes, _ = network
    for node in nodes.values():
        names = {p.name for p in Path(node.root / "secrets").iterdir()}
        assert not {n for n in names if "redis" in n or "lease" in n or "admin" in n or "scheduler" in n}, names
        assert not os.path.exists(node.root / "redis")
