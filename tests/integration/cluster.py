"""A cluster on the broker under test, set up by og-broker-config, with a data root of its own."""

import os
import subprocess
from pathlib import Path

import pika

REPO = Path(__file__).resolve().parents[2]
# One tier: all that is per tier is the same for each, and 280 queues a test take their time.
CATALOGUE = "[tier SmolLM2-135M]\ncpu_cores = 1\nram_gib = 1\nvram_gib = 0\ndisk_gib = 1\ncontext_tokens = 2048\n"
PROGRAM = Path(os.environ.get("OG_BUILD", REPO / "build/asan")) / "og-broker-config"


class Cluster:
    def __init__(self, root, name, amqp=None, management=None, settings=""):
        """Without `amqp` and `management`: on the broker of services.py, with its administrator."""
        self.root, self.name = Path(root), name
        self.amqp = amqp or os.environ["OG_TEST_AMQP"]
        (self.root / "secrets").mkdir(parents=True, exist_ok=True)
        self.write_config(management or os.environ["OG_TEST_MANAGEMENT"], settings)
        (self.root / "catalogue.ini").write_text(CATALOGUE)
        if not management:
            self.secret("admin", os.environ["OG_TEST_ADMIN_USER"], os.environ["OG_TEST_ADMIN_PASSWORD"])

    def write_config(self, management, settings=""):
        (self.root / "config.ini").write_text(
            f"[cluster]\nid = {self.name}\n[broker]\nendpoints = {self.amqp}\nmanagement = {management}\n{settings}"
        )

    def secret(self, role, user, password):
        file = self.root / "secrets" / f"{role}.credentials"
        file.write_text(f"{user} {password}\n")
        file.chmod(0o600)

    def credentials(self, role):
        return (self.root / "secrets" / f"{role}.credentials").read_text().split()

    def run(self, *args, expect=0):
        """Runs og-broker-config; what it wrote to stdout and stderr."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OG_B", "POC_"))}
        done = subprocess.run(
            [PROGRAM, *map(str, args)],
            env={**environment, "OPENGATEWAY_POC_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout, done.stderr

    def connect(self, user, password, heartbeat=30):
        """A blocking AMQP connection; pika's exceptions where the broker refuses it."""
        endpoints = [endpoint.rsplit(":", 1) for endpoint in self.amqp.split(",")]
        login = pika.PlainCredentials(user, password)
        return pika.BlockingConnection(
            [
                pika.ConnectionParameters(host, int(port), self.name, login, heartbeat=heartbeat, socket_timeout=10)
                for host, port in endpoints
            ]
        )

    def connect_as(self, role):
        return self.connect(*self.credentials(role))


def logs_in(cluster, user, password):
    try:
        cluster.connect(user, password).close()
        return True
    except pika.exceptions.ProbableAuthenticationError:
        return False
