"""RabbitMQ's own PerfTest: one hop through a quorum queue, no round trip. What the broker takes and gives at most, message by message."""

import re
import shutil
import subprocess

from installing import PINS, install_step, installed
from queues.row import BODY, Peer

RUN_S = 5  # the virtual machine compiles for a while
QUEUE = "bench.perftest"


class PerfTest(Peer):
    name, limit = "PerfTest", True
    in_flight = (500, 5000)  # with one, its publisher does not wait for the consumer
    kept = "one quorum queue, confirmed"
    setup = "one publisher and one consumer of a quorum queue, persistent, as many publishes not confirmed and deliveries not acked as are in flight, acks of up to 100 together"

    def __init__(self, bed):
        pins = PINS / "perftest/pom.xml"
        self.root = installed("perftest", [pins], lambda to: self.install(to, pins))
        self.version = re.search(r"perf-test</artifactId>\s*<version>([^<]+)", pins.read_text()).group(1) + ", one hop"
        super().__init__(bed)

    @staticmethod
    def install(to, pins):
        shutil.copy(pins, to)
        install_step(["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={to / 'lib'}"], cwd=to)

    def load(self, jobs, window, rate=0):
        command = ["java", "-cp", self.root / "lib/*", "com.rabbitmq.perf.PerfTest", "--uri", self.bed.amqp]
        command += ["--quorum-queue", "--queue", QUEUE, "--size", BODY, "--flag", "persistent", "--time", RUN_S]
        command += ["--confirm", window, "--qos", window, "--multi-ack-every", max(1, min(100, window // 5))]
        command += ["--rate", rate] if rate else []
        done = subprocess.run(
            [*map(str, command)], cwd=self.folder, capture_output=True, text=True, check=False, timeout=60 + RUN_S
        )
        self.bed.rabbit.api("DELETE", f"/api/queues/%2f/{QUEUE}")
        return parse(done.stdout)


def parse(said):
    """The summary at the end of what it says."""
    rate = re.search(r"receiving rate avg: (\d+) msg/s", said)
    latency = re.search(r"id: \S+ consumer latency min/median/75th/95th/99th (\S+) µs", said)
    if not rate or not latency:
        raise RuntimeError(f"no summary: {said.strip()[-200:]}")
    _, median, _, p95, p99 = (int(part) / 1000 for part in latency.group(1).split("/"))
    return {"jobs_per_s": float(rate.group(1)), "p50_ms": median, "p95_ms": p95, "p99_ms": p99}
