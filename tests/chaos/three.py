"""A cluster of three RabbitMQ nodes on this machine, each in a network namespace of its own, so that one can be cut off from the others
while its clients still reach it."""

import subprocess
import uuid

from services import Rabbit, wait_for

NET = "10.215.91"
TICK_S = 8  # until Erlang takes a silent node for gone; its default is a minute


def sh(*args):
    subprocess.run(args, check=True, capture_output=True, text=True)


class Node(Rabbit):
    def __init__(self, folder, space, address, first):
        super().__init__(folder, host=address, extra_conf="cluster_partition_handling = pause_minority\n")
        self.space, self.prefix = space, ("ip", "netns", "exec", space)
        if first:  # the users are the cluster's: one name and password
            self.admin, self.password = first.admin, first.password
            self.epmd_port, self.dist_port = first.epmd_port, first.dist_port
            self.port, self.management_port = first.port, first.management_port
        (self.folder / ".erlang.cookie").write_text("chaos-cookie")
        (self.folder / ".erlang.cookie").chmod(0o400)

    @property
    def node(self):
        return f"og@{self.host}"

    def environment(self):
        env = super().environment()
        args = f"{env['RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS']} -kernel net_ticktime {TICK_S}"
        return {**env, "RABBITMQ_USE_LONGNAME": "true", "ERL_EPMD_ADDRESS": self.host, "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": args}


class Three:
    """`with Three(folder) as three`: a formed cluster; subprocess.CalledProcessError where namespaces are not allowed."""

    def __init__(self, folder):
        self.folder, self.tag = folder, uuid.uuid4().hex[:6]
        self.bridge, self.nodes, self.spaces = f"ogc{self.tag}", [], []

    def __enter__(self):
        try:
            self.wire()
            self.form()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wire(self):
        sh("ip", "link", "add", self.bridge, "type", "bridge")
        sh("ip", "addr", "add", f"{NET}.1/24", "dev", self.bridge)
        sh("ip", "link", "set", self.bridge, "up")
        for n in (2, 3, 4):
            space, outside, inside = f"ogc-{self.tag}-{n}", f"oc{self.tag}{n}", f"ic{self.tag}{n}"
            sh("ip", "netns", "add", space)
            self.spaces.append(space)
            sh("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
            sh("ip", "link", "set", outside, "master", self.bridge, "up")
            sh("ip", "-n", space, "addr", "add", f"{NET}.{n}/24", "dev", inside)
            sh("ip", "-n", space, "link", "set", inside, "up")
            sh("ip", "-n", space, "link", "set", "lo", "up")
            first = self.nodes[0] if self.nodes else None
            self.nodes.append(Node(self.folder / f"rabbit{n}", space, f"{NET}.{n}", first))

    def form(self):
        for node in self.nodes:
            node.start()
        for node in self.nodes[1:]:
            for words in (("stop_app",), ("reset",), ("join_cluster", self.nodes[0].node), ("start_app",)):
                node.ctl(*words)
        wait_for("three nodes", lambda: self.running() == 3, 30)

    def running(self):
        return sum(node["running"] for node in self.nodes[0].api("GET", "/api/nodes"))

    @property
    def endpoints(self):
        return ",".join(f"{node.host}:{node.port}" for node in self.nodes)

    def cut_off(self, node):
        """From the other two; clients come from the bridge's own address, and still reach it."""
        for other in self.nodes:
            if other is not node:
                for chain, side in (("INPUT", "-s"), ("OUTPUT", "-d")):
                    sh(*node.prefix, "iptables", "-A", chain, side, other.host, "-j", "DROP")

    def heal(self, node):
        sh(*node.prefix, "iptables", "-F")

    def holds_most(self, vhost):
        """The node that has the most leaders of quorum queues."""
        out = self.nodes[0].ctl("list_queues", "-p", vhost, "--formatter", "csv", "leader")
        return max(self.nodes, key=lambda node: out.count(node.node))

    def members(self, vhost):
        """The least number of members that a quorum queue has."""
        rows = self.nodes[0].ctl("list_queues", "-p", vhost, "--formatter", "csv", "type", "members").splitlines()
        return min(row.count("og@") for row in rows if "quorum" in row)

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
            node.stop()
        for space in self.spaces:
            # What a node left behind (epmd) goes with its namespace's processes.
            pids = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False).stdout.split()
            subprocess.run(["kill", "-9", *pids], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True, check=False)


