"""og-gateway as a row of gateways.py: with all that makes its answers durable behind it, and with a key."""

import contextlib

from network import TIER
from peers import Row
from proc import cpu_s, memory_mib
from services import wait_for

SLOTS = 1024  # the most that a worker has; more streams than that wait in the queue, and are open all the same


class OurGateway(Row):
    name, model = "og-gateway", TIER

    def __init__(self, folder, engine, bed):
        super().__init__(folder, engine)
        self.bed, self.running = bed, contextlib.ExitStack()
        self.network = self.at = self.key = None

    @property
    def base(self):
        return self.at

    def headers(self):
        return [f"Authorization: Bearer {self.key}"]

    def start(self):
        gateway = self.bed.gateway(f"kind = openai\nurl = {self.engine}\n", SLOTS)
        self.network, self.at, self.key = self.running.enter_context(gateway)
        self.process = self.network.programs(self.name)[0].process
        self.version = self.network.command(self.name, "--version").split()[-1]
        wait_for(self.name, self.ready, 30, self.process)
        return self

    def stop(self):
        self.running.close()

    def behind(self):
        """The sessions of what stands behind the gateway, by program."""
        chain = {"RabbitMQ": self.bed.rabbit, "Redis": self.bed.redis, "the store": self.network.store}
        chain |= {kind: self.network.programs(kind)[0] for kind in ("og-scheduler", "og-worker")}
        return {name: process.process.pid for name, process in chain.items()}

    def behind_mib(self):
        return {name: memory_mib(session) for name, session in self.behind().items()}

    def cpu_s(self):
        return super().cpu_s() | {name: cpu_s(session) for name, session in self.behind().items()}
