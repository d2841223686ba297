"""What the benches of the path stand on: a private RabbitMQ and Redis, and networks of the real programs on them."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from network import REPO, TIER, Network  # noqa: E402
from services import Process, Rabbit, Redis, free_port, wait_for  # noqa: E402

from proc import anonymous_kib  # noqa: E402

BUILD = Path(os.environ.get("OG_BUILD", REPO / "build/release")).resolve()
ECHO = "kind = echo\n"
CONTEXT = 2048  # tokens, as the catalogue states it: it bounds the bodies, and so tells how many of a lane the scheduler may hold
CALM_S, QUICK_CALM_S = 8, 0.5


def catalogue(tiers, model, context):
    needs = f"cpu_cores = 1\nram_gib = 0.1\nvram_gib = 0\ndisk_gib = 0.1\nengine_model = {model}\n"
    needs += f"context_tokens = {context}\n" if context else ""
    return "".join(f"[tier {tier}]\n{needs}" for tier in tiers)


class BenchNetwork(Network):
    """One scheduler, named `one`, and as many workers as it is told."""

    def __init__(self, root, cluster, rabbit, redis, engine, settings, tiers, model, context):
        super().__init__(root, cluster, BUILD, rabbit, redis, engine, settings, catalogue(tiers, model, context))
        self.tiers = list(tiers)
        self.calm_s = CALM_S

    def serve(self, slots, workers=1, env=None):
        """Starts the scheduler, and of each tier so many workers, which share its slots; ready when it returns."""
        self.scheduler(env=env)
        for tier in self.tiers:
            for n in range(1, workers + 1):
                share = slots // workers + (n <= slots % workers)
                name = f"og-worker {tier} {n}"
                self.start("og-worker", "--tier", tier, "--slots", share, "--instance", n, name=name, env=env)
        wait_for("workers that serve", lambda: self.slots() == slots * len(self.tiers), 120)
        return self

    def scheduler(self, name="one", env=None):
        return self.start("og-scheduler", "--name", name, name=f"og-scheduler {name}", env=env)

    def start_gateway(self, name="one"):
        process = self.start("og-gateway", "--name", name, name=f"og-gateway {name}")
        path = self.root / f"run/gateway-{name}.sock"
        wait_for("og-gateway", lambda: ask(path).get("ready"), 30, process.process)
        return process

    def slots(self):
        with contextlib.suppress(RuntimeError):
            return sum(tier["slots"] for tier in self.json("tiers")["tiers"])
        return 0

    def scheduler_says(self, name="one"):
        """Of its control socket; {} where nobody answers."""
        return ask(self.root / f"run/scheduler-{name}.sock")

    def waiting(self):
        return self.scheduler_says().get("scheduler", {}).get("waiting", -1)

    def ended(self, name="one"):
        return self.scheduler_says(name).get("process", {}).get("ended", 0)

    def stored(self):
        """Ends that Redis has, since the cluster was made."""
        asked = ["redis-cli", "-s", self.redis.socket, "HGET", f"og:{self.cluster}:counters", "done"]
        return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout or 0)

    def programs(self, kind):
        """The processes of og-scheduler, og-worker …"""
        return [process for name, process in self.processes.items() if name.split()[0] == kind and process.alive()]

    def anonymous_kib(self, kind):
        """Of all the processes of that program together."""
        return sum(anonymous_kib(process.process.pid) for process in self.programs(kind))

    def calm_kib(self, kind):
        """The same, when it has not become less for a while: what a burst took is given back within seconds."""
        least, since = self.anonymous_kib(kind), time.monotonic()
        while time.monotonic() - since < self.calm_s:
            time.sleep(0.2)
            now = self.anonymous_kib(kind)
            if now < least:
                least, since = now, time.monotonic()
        return least

    def load_args(self, jobs, window, body=512, classes=(), **more):
        args = ["--config", self.root / "config.ini", "--jobs", jobs, "--window", window, "--body", body]
        for tier in self.tiers:
            args += ["--tier", tier]
        for name in classes:
            args += ["--class", name]
        for name, value in more.items():
            args += [f"--{name}", value]
        return args

    def jobs(self, jobs, window, **more):
        """A load of bench_jobs, to its end; `more` are its other options."""
        return json.loads(self.command("bench_jobs", *self.load_args(jobs, window, **more)))

    @contextlib.contextmanager
    def load(self, jobs, window, **more):
        """The same, beside what the block does; its value waits for the end."""
        args = [str(BUILD / "tests/bench/bench_jobs"), *map(str, self.load_args(jobs, window, **more))]
        with self.beside(args) as result:
            yield result

    @contextlib.contextmanager
    def beside(self, args):
        with subprocess.Popen(
            args, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:

            def result():
                out, errors = process.communicate()
                if process.returncode != 0:
                    raise RuntimeError(f"{Path(args[0]).name} ended with {process.returncode}: {errors.decode()}{out.decode()}")
                return json.loads(out)

            result.process = process
            try:
                yield result
            finally:
                if process.poll() is None:
                    process.kill()

    def all_tiers(self, verb):
        """`pause` or `resume`, at once."""
        started = [
            subprocess.Popen(
                [BUILD / "og", verb, tier], env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            for tier in self.tiers
        ]
        if any([process.wait() for process in started]):
            raise RuntimeError(f"og {verb} failed")


class Backlog:
    """Jobs that wait in lanes while others come and go: a closed loop whose window is so many more than there are slots. It is filled
    while the tiers are paused; `go` lets them on."""

    classes = ("normal", "batch")

    def __init__(self, network, waiting, slots, ends, **more):
        self.network, self.waiting = network, waiting
        self.window = waiting + slots
        jobs = self.window + ends
        self.load = network.load(
            jobs, self.window, ends=ends, classes=self.classes, timeout=300 + jobs // 500, **more
        )

    def __enter__(self):
        self.network.all_tiers("pause")
        began = time.monotonic()
        self.result = self.load.__enter__()
        try:
            wait_for(f"{self.window} jobs that wait", self.full, 60 + self.window / 500, self.result.process)
        except BaseException:
            self.load.__exit__(*sys.exc_info())
            raise
        self.filled_s = time.monotonic() - began
        return self

    def full(self):
        return self.network.waiting() == self.window

    def go(self):
        self.network.all_tiers("resume")

    def __exit__(self, *error):
        return self.load.__exit__(*error)


class Bed:
    """RabbitMQ and Redis in a folder that goes with them, and the networks on them, each in a cluster of its own."""

    def __init__(self, quick=False):
        self.calm_s = QUICK_CALM_S if quick else CALM_S
        self.folder = Path(tempfile.mkdtemp(prefix="og-bench-", dir="/tmp"))  # a socket's path is short
        self.rabbit, self.redis = Rabbit(self.folder / "rabbit"), Redis(self.folder / "redis")
        self.cache = None
        self.made = 0

    @property
    def amqp(self):
        return f"amqp://{self.rabbit.admin}:{self.rabbit.password}@127.0.0.1:{self.rabbit.port}/%2f"

    @property
    def cache_url(self):
        """Of a second Redis, which keeps nothing on the disk: what peers are fastest with. Started when first asked for."""
        if not self.cache:
            self.cache = Redis(self.folder / "cache", ["--appendonly", "no"]).start()
        return f"redis://127.0.0.1:{self.cache.port}/0"

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # what was started is ended by the blocks that started it
        try:
            self.rabbit.start()
            self.redis.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.cache:
            self.cache.stop()
        self.redis.stop()
        self.rabbit.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def network(self, engine=ECHO, settings="", tiers=(TIER,), model="stub", context=CONTEXT):
        """One that nobody serves yet; its cluster goes with it. `model`: what the engine calls that of each tier; `context`: its tokens, 0: any."""
        self.made += 1
        root, cluster = self.folder / str(self.made), f"bench-{self.made}"
        network = BenchNetwork(root, cluster, self.rabbit, self.redis, engine, settings, tiers, model, context)
        network.calm_s = self.calm_s
        try:
            yield network
        finally:
            network.stop()
            self.rabbit.api("DELETE", f"/api/vhosts/{cluster}")

    @contextlib.contextmanager
    def gateway(self, engine, slots=1024):
        """A network of one worker, and a gateway before it, named `one`: the network, the gateway's URL, a key."""
        port = free_port()
        with self.network(engine, f"[gateway]\nlisten = 127.0.0.1:{port}\n") as network:
            network.start_store()
            network.serve(slots)
            network.start_gateway()
            key = network.root / "secrets/gateway.key"
            wait_for("the first key", key.exists, 30)
            yield network, f"http://127.0.0.1:{port}", key.read_text().strip()

    @contextlib.contextmanager
    def engine(self):
        """bench_engine: the engine's settings."""
        process, log = Process(), self.folder / "engine.log"
        log.write_text("")
        process.spawn([str(BUILD / "tests/bench/bench_engine")], log=log)
        try:
            wait_for("bench_engine", lambda: "listening on" in log.read_text(), 20, process.process)
            yield f"kind = openai\nurl = http://127.0.0.1:{log.read_text().split()[-1]}\n"
        finally:
            process.end(15, 10)


def own_or(shared):
    """A bed of its own, or that which the parts of a quick run share."""
    return contextlib.nullcontext(shared) if shared else Bed()


def ask(path, verb="status"):
    """What a control socket answers; {} where nobody does."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        try:
            s.connect(str(path))
            s.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            with s.makefile() as lines:
                return json.loads(lines.readline() or "{}")
        except OSError:
            return {}


def rotated(rows, number):
    """The order of a round: another one is first each time."""
    at = number % len(rows)
    return rows[at:] + rows[:at]


def names(number):
    """Of so many tiers."""
    return [f"Tier-{n:02}" for n in range(1, number + 1)]


def log(text):
    print(text, file=sys.stderr, flush=True)
