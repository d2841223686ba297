"""The real chain on this machine: one scheduler and one worker on the given broker, Redis and engine, in a root and a cluster of their
own. For the bench, and for tests of what a user meets when something is wrong."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
from services import Process, Redis, wait_for  # noqa: E402

REPO = Path(__file__).resolve().parents[2]
TIER = "SmolLM2-135M"


def rabbit_of_environment():
    """The broker that services.py has started."""
    return SimpleNamespace(
        port=int(os.environ["OG_TEST_AMQP"].rsplit(":", 1)[1]),
        management=os.environ["OG_TEST_MANAGEMENT"],
        admin=os.environ["OG_TEST_ADMIN_USER"],
        password=os.environ["OG_TEST_ADMIN_PASSWORD"],
    )


class Network:
    def __init__(self, root, cluster, build, rabbit, redis, engine, settings="", catalogue=None):
        """`engine` and `settings` are text of config.ini; without a `catalogue` the built-in one counts."""
        self.root, self.cluster, self.build, self.rabbit, self.redis = Path(root), cluster, Path(build), rabbit, redis
        self.processes, self.store = {}, None
        (self.root / "secrets").mkdir(parents=True)
        (self.root / "config.ini").write_text(
            f"[cluster]\nid = {cluster}\n[node]\nname = NodeA\nserve = yes\n"
            f"[broker]\nendpoints = 127.0.0.1:{rabbit.port}\nmanagement = {rabbit.management}\n"
            f"[redis]\naddress = unix:{redis.socket}\nuser = default\n[engine]\n{engine}{settings}"
        )
        if catalogue:
            (self.root / "catalogue.ini").write_text(catalogue)
        self.secret("admin", f"{rabbit.admin} {rabbit.password}")
        self.command("og-broker-config", "apply")

    def up(self):
        self.start("og-scheduler")
        self.start("og-worker")
        wait_for("a worker that serves", self.serving, 30)
        return self

    def start_store(self):
        """The gateways' own Redis, as og-broker-config sets it up: what it answers is on the disk."""
        self.command("og-broker-config", "render", self.root)
        self.store = Redis(self.root / "store")
        self.store.spawn(["redis-server", str(self.root / "store/redis.conf")], log=self.store.log)
        wait_for("the store", self.store.socket.exists, 20, self.store.process)

    def secret(self, name, text):
        path = self.root / "secrets" / f"{name}.credentials"
        path.touch(0o600)
        path.write_text(text + "\n")

    def environment(self, **extra):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "OPENGATEWAY_", "NODE_NAME", "LC_"))}
        return {**kept, "OPENGATEWAY_POC_ROOT": str(self.root), "LC_ALL": "C.UTF-8", **extra}

    def run(self, program, *args, env=None, **more):
        """Runs one to its end: returncode, stdout, stderr and `took`, in seconds."""
        path = self.build / program if (self.build / program).exists() else self.build / "tests/bench" / program
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("timeout", 600)
        began = time.monotonic()
        done = subprocess.run(
            [path, *args], env=self.environment(**(env or {})), stderr=subprocess.PIPE, check=False, **more
        )
        done.took = time.monotonic() - began
        return done

    def command(self, program, *args):
        """Runs what must go well; its stdout."""
        done = self.run(program, *map(str, args))
        if done.returncode != 0:
            raise RuntimeError(f"{program} {args} ended with {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode()

    def json(self, *args):
        return json.loads(self.command("og", *args, "--json"))

    def start(self, program, *args, name=None, env=None):
        """`name`: of one of several of the same program."""
        name = name or program
        process = Process()
        command = [str(self.build / program), *map(str, args)]
        process.spawn(command, self.environment(**(env or {})), self.root / f"{name}.log")
        self.processes[name] = process
        return process

    def serving(self):
        try:
            tiers = self.json("tiers")["tiers"]
        except RuntimeError:
            return False
        return any(tier["id"] == TIER and tier["slots"] > 0 for tier in tiers)

    def stop(self):
        for process in self.processes.values():
            process.end(15, 30)
        if self.store:
            self.store.end(15, 10)
