"""og-gateway as a row of gateways.py: with all that makes its answers durable behind it, on a RabbitMQ
and Redis of its own, and with a key."""

from installing import REPO, Skipped
from network import TIER, Network
from peers import Row
from proc import cpu_s, memory_mib
from services import Rabbit, Redis, wait_for

SLOTS = 1024  # the most that a worker has; more streams than that wait in the queue, and are open all the same
PROGRAMS = ("og-gateway", "og-scheduler", "og-worker", "og-broker-config", "og")
CATALOGUE = f"[tier {TIER}]\ncpu_cores = 1\nram_gib = 0.5\nvram_gib = 0\ndisk_gib = 0.5\nengine_model = stub\n"


class OurGateway(Row):
    name, model = "og-gateway", TIER

    def __init__(self, folder, engine, build):
        missing = [program for program in PROGRAMS if not (build / program).exists()]
        if missing:
            raise Skipped(
                f"not built: {', '.join(missing)} (in {build.relative_to(REPO) if REPO in build.parents else build})"
            )
        super().__init__(folder, engine)
        self.build = build
        self.rabbit, self.redis = Rabbit(self.folder / "rabbit"), Redis(self.folder / "redis")
        self.network = self.key = None

    def headers(self):
        return [f"Authorization: Bearer {self.key}"]

    def start(self):
        self.rabbit.start()
        self.redis.start()
        engine = f"kind = openai\nurl = {self.engine}\n"
        settings = f"[worker]\nslots = {SLOTS}\ntier = {TIER}\n[gateway]\nlisten = 127.0.0.1:{self.port}\n"
        self.network = Network(
            self.folder / "root", "bench", self.build, self.rabbit, self.redis, engine, settings, CATALOGUE
        )
        root = self.network.root
        self.network.start_store()
        self.network.up()
        self.network.start("og-gateway")
        self.process = self.network.processes["og-gateway"].process
        self.version = self.network.command("og-gateway", "--version").split()[-1]
        first_key = root / "secrets/gateway.key"
        wait_for("the first key", first_key.exists, 30, self.process)
        self.key = first_key.read_text().strip()
        wait_for(self.name, self.ready, 30, self.process)
        return self

    def stop(self):
        if self.network:
            self.network.stop()
        self.redis.stop()
        self.rabbit.stop()

    def behind(self):
        """The sessions of what stands behind the gateway, by program."""
        chain = {"RabbitMQ": self.rabbit, "Redis": self.redis, "the store": self.network.store}
        chain |= {name: process for name, process in self.network.processes.items() if name != "og-gateway"}
        return {name: process.process.pid for name, process in chain.items()}

    def behind_mib(self):
        return {name: memory_mib(session) for name, session in self.behind().items()}

    def cpu_s(self):
        return super().cpu_s() | {name: cpu_s(session) for name, session in self.behind().items()}
