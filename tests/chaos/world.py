"""What the faults happen to: a broker, a Redis, two schedulers, workers on three nodes, each with a stub engine of its own, all real
processes of this machine in one folder that goes with them."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import fleet
import grid
import pika
from cluster import Cluster
from load import Job, Load, Submitter
from proxy import Proxy
from services import Rabbit, Redis, wait_for
from stub_engine import StubEngine
from tap import Tap

BUILD = grid.BUILD
TIER, OTHER = "Small-1B", "Other-1B"
TIER_KEY = "small-1b"
CATALOGUE = "".join(
    f"[tier {name}]\ncpu_cores = 1\nram_gib = 0.5\nvram_gib = 0\ndisk_gib = 0.5\nengine_model = smollm2-135m\n"
    for name in (TIER, OTHER)
)
HEARTBEAT_S = 2
ORPHAN_GRACE_S = 6
SETTINGS = (
    f"heartbeat = {HEARTBEAT_S}s\n[scheduler]\norphan_grace = {ORPHAN_GRACE_S}s\n"
    "[engine]\nidle_timeout = 2s\nfirst_byte_timeout = 6s\n[worker]\ndrain = 5s\n"
)
STUB = re.compile(r"\[\[stub [^\]]*\]\]")
RUN_OF = re.compile(r"<job ([0-9a-f-]{36})>")
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer).*")


def stub(job, **values):
    """A prompt that says how the engine answers it, and whose it is."""
    return f"[[stub {' '.join(f'{k}={v}' for k, v in values.items())}]] <job {job}>"


class World:
    def __init__(self, rabbit=None, settings="", nodes=3, slots=4, endpoints=None):
        """`rabbit`: one that runs already and stays; `settings` are lines of config.ini behind those above."""
        self.folder = Path(tempfile.mkdtemp(prefix="ogc-", dir="/tmp"))
        self.settings, self.nodes, self.slots, self.endpoints = settings, nodes, slots, endpoints
        self.rabbit, self.own_rabbit = rabbit, rabbit is None
        self.schedulers, self.workers, self.engines, self.clients, self.taps = {}, [], [], [], []
        self.events, self.killed, self.dead_letters = [], set(), 0
        self.redis = None

    # ── its life ──

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def start(self):
        if self.own_rabbit:
            self.rabbit = Rabbit(self.folder / "rabbit")
            self.rabbit.start()
        password = secrets.token_hex(8)
        self.redis = Redis(self.folder / "redis", ["--user", "scheduler", "on", f">{password}", "~og:*", "+@all"])
        self.redis.start()
        self.cluster = Cluster(
            self.folder / "root",
            f"chaos-{uuid.uuid4().hex[:8]}",
            amqp=self.endpoints or f"127.0.0.1:{self.rabbit.port}",
            management=self.rabbit.management,
            settings=f"{SETTINGS}{self.settings}[redis]\naddress = unix:{self.redis.socket}\n",
        )
        (self.cluster.root / "catalogue.ini").write_text(CATALOGUE)
        self.cluster.secret("admin", self.rabbit.admin, self.rabbit.password)
        self.cluster.secret("scheduler", "scheduler", password)
        self.cluster.run("apply")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "OPENGATEWAY_", "NODE_"))}
        self.environment = {**kept, "OPENGATEWAY_POC_ROOT": str(self.cluster.root), "OG_BUILD": str(BUILD)}
        self.scheduler("s0")
        for n in range(self.nodes):
            self.worker(f"n{n}")
        self.scheduler("s1")
        self.until_up()

    def __exit__(self, kind, *_):
        if kind and os.environ.get("OG_CHAOS_KEEP"):
            print(f"kept: {self.folder}", file=sys.stderr)
        self.close(keep=bool(kind and os.environ.get("OG_CHAOS_KEEP")))

    def close(self, keep=False):
        """Ends all, whatever state it is in."""
        for client in self.clients:
            try:
                client.close()
            except (pika.exceptions.AMQPError, OSError, AssertionError):
                pass
        for process in [*(s.process for s in self.schedulers.values()), *(w.process for w in self.workers)]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        for tap in self.taps:
            tap.close()
        for engine in self.engines:
            engine.kill_now()
        if self.redis:
            self.redis.kill()
        if self.own_rabbit and self.rabbit:
            self.rabbit.kill()
            self.rabbit.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        """Ends the programs as an operator does; says who did not go well: a leak shows here."""
        processes = [*(s.process for s in self.schedulers.values()), *(w.process for w in self.workers)]
        processes = [p for p in processes if p and p.poll() is None]
        for p in processes:
            p.terminate()
        for p in processes:
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                pass
        return [f"pid {p.pid} ended with {p.poll()} at SIGTERM" for p in processes if p.poll() != 0]

    # ── who is there ──

    def scheduler(self, name, *settings, until=None):
        s = self.schedulers[name] = fleet.Scheduler(self, name, *settings)
        return s.until(until) if until else s

    def worker(self, node, tier=TIER, slots=None, start=True, **env):
        """A worker on a node of its own, with an engine of its own."""
        folder = self.folder / node
        folder.mkdir(exist_ok=True)
        record, victim = self.folder / f"runs-{node}.jsonl", folder / "pid"
        engine = StubEngine(folder, tokens=5, pace_ms=5, mark=1, slots=slots or self.slots, record=record, victim=victim)
        self.engines.append(engine)
        engine.start()
        more = ("--tier", tier, "--slots", slots or self.slots, "--set", "log.level=debug")
        w = Worker(self.cluster.root, *more, name=node, engine=engine.url, **env)
        w.engine, w.victim = engine, victim
        self.workers.append(w)
        return w.start() if start else w

    def tap(self, parser, target=None):
        t = Tap(target or ("127.0.0.1", self.rabbit.port), parser)
        self.taps.append(t)
        return t

    def leader(self):
        """The name of the scheduler that leads; None when there is none."""
        return next((n for n, s in self.schedulers.items() if s.state().startswith("leading, epoch")), None)

    def until_leader(self, timeout=30):
        wait_for("a leader", self.leader, timeout)
        return self.schedulers[self.leader()]

    def until_up(self, timeout=60):
        self.until_leader(timeout)
        for w in self.workers:
            if w.alive():
                w.wait_state("serving", timeout)
        self.until_serves(TIER, sum(w.slots for w in self.workers if w.alive() and TIER in w.args), timeout)

    def until_serves(self, tier, slots, timeout=30):
        """The leader knows of so many slots of the tier."""
        asker = self.asker()

        def has():
            return any(t["id"] == tier and t["slots"] >= slots for t in asker.ask("tiers")["tiers"])

        try:
            wait_for(f"{slots} slots of {tier}", has, timeout)
        finally:
            asker.close()

    def heard(self):
        """How many nodes the leader knows."""
        return self.leader_says().get("scheduler", {}).get("nodes", 0)

    def leader_says(self):
        """Its status; {} where nobody leads."""
        name = self.leader()
        return self.schedulers[name].status() if name else {}

    def restore(self):
        """After a fault whoever should be there is started again."""
        for name, s in list(self.schedulers.items()):
            if s.process.poll() is not None:
                self.scheduler(name)
        for w in self.workers:
            if not w.alive():
                w.start()

    # ── what is done to it ──

    @contextmanager
    def during(self, what):
        """Something is done within that explains that work is done twice, of jobs that were there before it was over: when it begins to
        tell is not known, only that it does not before the first line of the block and does after the last."""
        since = time.monotonic()
        try:
            yield
        finally:
            self.events.append((since, time.monotonic(), what))

    def event(self, what):
        """As `during`, of a moment."""
        with self.during(what):
            pass

    def kill(self, who, why="killed"):
        """SIGKILL, of a worker or a scheduler."""
        self.killed.add(who.process.pid)
        with self.during(f"{getattr(who, 'key', None) or who.name} {why}"):
            who.process.kill()
            who.process.wait()

    @contextmanager
    def kept_alive(self, *workers):
        """Starts them again whenever they die, as systemd does. That they died is seen late: their engines say when, on record."""
        over, deaths = threading.Event(), []

        def keep():
            while not over.wait(0.05):
                for w in workers:
                    if not w.alive():
                        self.killed.add(w.process.pid)
                        deaths.append(w.key)
                        w.start()

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield deaths
        finally:
            over.set()
            thread.join()

    def redis_cli(self, *words, **more):
        done = subprocess.run(
            ["redis-cli", "-s", str(self.redis.socket), *map(str, words)], capture_output=True, text=True, check=True, **more
        )
        return done.stdout.splitlines()

    def redis_values(self, commands):
        """The value of each command; "" where there is none. They may hold any byte but an end of line."""
        return self.redis_cli(input="".join(command + "\n" for command in commands)) if commands else []

    def og(self, *args, timeout=60):
        """Runs og as the user `producer`."""
        p = self.og_starts(*args)
        try:
            out, errors = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, errors = p.communicate()
        return subprocess.CompletedProcess(args, p.returncode, out, errors)

    def og_starts(self, *args, **env):
        return subprocess.Popen(
            [BUILD / "og", *map(str, args)], env={**self.environment, **env}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def proxy(self, target=None):
        p = Proxy(target or ("127.0.0.1", self.rabbit.port))
        self.taps.append(p)
        return p

    # ── the load ──

    def connect(self, user=None, role="producer"):
        credentials = self.cluster.credentials(role) if not user else user
        return self.cluster.connect(*credentials, heartbeat=HEARTBEAT_S * 5)

    def job(self, rng, wants=("done",), tier=TIER, headers=None, **engine):
        """A new job for the stub: a few tokens, as the seed has it. `fails=N`: `fault` or `status` are for its first N runs."""
        job = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        if fails := engine.pop("fails", None):
            engine |= {"counted": self.folder / f"tries-{job}", "times": fails}
        engine = {"tokens": rng.randrange(2, 8), "pace_ms": rng.randrange(2, 15), **engine}
        body = json.dumps({"messages": [{"role": "user", "content": stub(job, **engine)}]}).encode()
        more = {"stream": 1} if rng.random() < 0.3 else {}
        more |= {"explicit_id": 1} if rng.random() < 0.2 else {}
        return Job(job, body, {"tier": tier, **more, **(headers or {})}, frozenset(wants))

    def load(self, ledger, rng, rate=20, count=None, submitters=2, **job):
        """Submitters that share `count` jobs (without end where it is None); `rate` of each, in jobs a second."""
        left, lock = [count], threading.Lock()

        def make():
            with lock:
                if left[0] is not None:
                    if left[0] <= 0:
                        return None
                    left[0] -= 1
                return self.job(rng, **job)

        user = self.cluster.credentials("producer")[0]
        return Load([Submitter(ledger, self.connect, user, make, rate) for _ in range(submitters)], endless=count is None)

    # ── what it can be asked ──

    def records(self):
        """What the engines put on record: (node, line)."""
        for path in self.folder.glob("runs-*.jsonl"):
            for line in path.read_text().splitlines():
                yield path.stem.removeprefix("runs-"), json.loads(line)

    def runs(self):
        """When each job was begun by an engine: id -> [(at, node)]."""
        found = {}
        for node, run in self.records():
            for job in RUN_OF.findall(run.get("prompt", "")):
                found.setdefault(job, []).append((run["at"], node))
        return {job: sorted(runs) for job, runs in found.items()}

    def happened(self):
        """What was done to it, and what prompts did: (since, until, what), in the order in which it was over."""
        killed = [(line["since"], line["until"], f"{node} was killed by its prompt") for node, line in self.records() if "until" in line]
        return sorted([*self.events, *killed], key=lambda event: event[1])

    def asker(self):
        return fleet.Producer(self.cluster, self.cluster.credentials("producer"))

    def queues(self):
        """Messages ready, unacked and consumers of each durable queue."""
        rows = json.loads(
            self.rabbit.ctl(
                *("list_queues", "-p", self.cluster.name, "--formatter", "json"),
                *("name", "messages_ready", "messages_unacknowledged", "consumers"),
            )
        )
        passing = ("og.control.", "og.presence.", "og.reply.")
        return {
            row["name"]: (row["messages_ready"], row["messages_unacknowledged"], row["consumers"])
            for row in rows
            if not row["name"].startswith(passing)
        }

    def logs(self):
        """Of our programs."""
        return sorted(self.cluster.root.glob("*.log"))

    def sanitizer_words(self):
        words = []
        for log in self.logs():
            words += [f"{log.name}: {m[0]}" for m in SANITIZER.finditer(log.read_text(errors="replace"))]
        return words

    def gone(self):
        """Programs that ended without being told to."""
        all_ = [(n, s.process) for n, s in self.schedulers.items()] + [(w.key, w.process) for w in self.workers]
        return [f"{n} ended with {p.poll()}" for n, p in all_ if p and p.poll() is not None and p.pid not in self.killed]

    def sizes(self):
        """Resident KiB and descriptors of each program that runs: (name, pid) -> (kib, descriptors)."""
        all_ = [(n, s.process) for n, s in self.schedulers.items()] + [(w.key, w.process) for w in self.workers]
        found = {}
        for name, p in all_:
            try:
                status = Path(f"/proc/{p.pid}/status").read_text()
                kib = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
                found[name, p.pid] = (kib, len(os.listdir(f"/proc/{p.pid}/fd")))
            except (OSError, TypeError, AttributeError):
                pass
        return found


class Worker(grid.Worker):
    """Tells its engine its pid, for prompts that kill it."""

    @property
    def slots(self):
        return int(self.args[self.args.index("--slots") + 1])

    def spawn(self, command, *more, **others):
        """The engine is told before the worker can ask it for anything."""
        return super().spawn(["sh", "-c", 'echo $$ >"$0" && exec "$@"', self.victim, *command], *more, **others)
