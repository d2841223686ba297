"""A private RabbitMQ and Redis for tests: own folder, own node name, free ports on loopback, nothing of the system's touched.

As a program: `python3 tests/support/services.py -- command …` starts both, runs the command with OG_TEST_* set, stops both.
"""

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

RABBIT_BIN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def free_port(host="127.0.0.1"):
    with socket.socket() as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def wait_for(what, predicate, timeout=60.0, process=None):
    """Polls `predicate` until it holds; fails loudly, also when `process` has died meanwhile."""
    end = time.monotonic() + timeout
    while not predicate():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: the process ended with {process.returncode}")
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:.0f} s")
        time.sleep(0.05)


class Process:
    """A child in its own process group, so that what it started ends with it."""

    def __init__(self):
        self.process = None

    def spawn(self, args, env=None, log=None, cwd=None):
        with open(log or os.devnull, "ab") as out:
            self.process = subprocess.Popen(
                args, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=cwd
            )

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def end(self, number, timeout):
        if not self.alive():
            return
        self.signal(number)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()


class Rabbit(Process):
    """One RabbitMQ node with the management API, an administrator and no guest."""

    prefix = ()  # words before each command, as to run it in another network namespace

    def __init__(self, folder, host="127.0.0.1", extra_conf=""):
        super().__init__()
        self.folder, self.host, self.extra_conf = Path(folder), host, extra_conf
        self.port, self.management_port = free_port(), free_port()
        self.dist_port, self.epmd_port = free_port(), free_port()
        self.admin, self.password = "admin", secrets.token_hex(12)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "rabbitmq.log"

    @property
    def management(self):
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.management_port}"

    @property
    def node(self):
        return f"ogtest{self.port}@localhost"

    def environment(self):
        f = self.folder
        return {
            **os.environ,
            "HOME": str(f),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_CONFIG_FILE": str(f / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(f / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(f / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(f / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(f / "mnesia"),
            "RABBITMQ_LOG_BASE": str(f / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(f / "pid"),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none +S 2:2",
        }

    def start(self):
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {self.host}:{self.port}\n"
            f"management.tcp.ip = {self.host}\nmanagement.tcp.port = {self.management_port}\n"
            "management_agent.disable_metrics_collector = true\ncollect_statistics = none\nmanagement.rates_mode = none\n"
            f"default_user = {self.admin}\ndefault_pass = {self.password}\ndefault_user_tags.administrator = true\n"
            "consumer_timeout = 14400000\nlog.console = true\nlog.console.level = info\n"
            "disk_free_limit.absolute = 200MB\n" + self.extra_conf
        )
        self.launch()
        wait_for("RabbitMQ", self.ready, 90, self.process)
        return self

    def launch(self):
        # In its folder: what Mnesia writes when it dies it writes where it is.
        self.spawn([*self.prefix, str(RABBIT_BIN)], self.environment(), self.log, cwd=self.folder)

    def ready(self):
        try:
            self.api("GET", "/api/overview")
            return True
        except (urllib.error.URLError, OSError):
            return False

    def settle(self):
        """A quorum queue of one member that was declared just before its broker is killed may be left without a Raft leader
        (rabbitmq-server issue 10070), as the tables that know of it are written half a second later: here they are."""
        self.ctl("eval", "[ok = dets:sync(Table) || Table <- dets:all()].")

    def stop(self):
        self.end(signal.SIGTERM, 30)
        wait_for("epmd to end", self.end_epmd, 10)

    def end_epmd(self):
        """False while it has not noticed yet that its node has gone."""
        kill = [*self.prefix, "epmd", "-port", str(self.epmd_port), "-kill"]
        return "living nodes" not in subprocess.run(kill, capture_output=True, text=True, check=False).stdout

    def kill(self):
        self.end(signal.SIGKILL, 5)

    def ctl(self, *args, timeout=60):
        """rabbitmqctl on this node: its stdout."""
        done = subprocess.run(
            [*self.prefix, RABBIT_BIN.parent / "rabbitmqctl", "-q", "-n", self.node, *map(str, args)],
            env=self.environment(), check=True, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        return done.stdout

    def api(self, method, path, body=None, user=None, password=None):
        return manage(self.management + path, method, body, user or self.admin, password or self.password)


def manage(url, method, body, user, password):
    """A call of a broker's management API: parsed JSON, or None where the answer is empty. Errors raise urllib.error.HTTPError."""
    request = urllib.request.Request(url, method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def api(method, path, body=None):
    """The same of the broker under test, which conftest.py names in the environment."""
    of = {name: os.environ["OG_TEST_" + name] for name in ("MANAGEMENT", "ADMIN_USER", "ADMIN_PASSWORD")}
    return manage(of["MANAGEMENT"] + path, method, body, of["ADMIN_USER"], of["ADMIN_PASSWORD"])


class Redis(Process):
    def __init__(self, folder, extra=()):
        super().__init__()
        self.folder, self.extra = Path(folder), list(extra)
        self.port = free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = self.folder / "redis.sock"
        self.log = self.folder / "redis.log"

    def start(self):
        self.spawn(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket)]
            + ["--dir", str(self.folder), "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
            + self.extra,
            log=self.log,
        )
        wait_for("Redis", self.ready, 20, self.process)
        return self

    def ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.sendall(b"PING\r\n")
                return s.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self):
        self.end(signal.SIGTERM, 10)

    def kill(self):
        self.end(signal.SIGKILL, 5)


class Services:
    """Both, in a folder of their own that goes with them; `environment` is what tells the tests where they are."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="og-services-"))
        self.rabbit, self.redis = Rabbit(self.folder / "rabbit"), Redis(self.folder / "redis")

    @property
    def environment(self):
        return {
            "OG_TEST_AMQP": f"127.0.0.1:{self.rabbit.port}",
            "OG_TEST_MANAGEMENT": self.rabbit.management,
            "OG_TEST_ADMIN_USER": self.rabbit.admin,
            "OG_TEST_ADMIN_PASSWORD": self.rabbit.password,
            "OG_TEST_REDIS": f"127.0.0.1:{self.redis.port}",
            "OG_TEST_REDIS_SOCKET": f"unix:{self.redis.socket}",
        }

    def __enter__(self):
        try:
            self.rabbit.start()
            self.redis.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.redis.stop()
        self.rabbit.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def main(args):
    if args[:1] != ["--"] or len(args) < 2:
        print("usage: services.py -- command …", file=sys.stderr)
        return 2
    with Services() as services:
        return subprocess.run(args[1:], env={**os.environ, **services.environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
