"""The gateways that stand beside ours in gateways.py: how each is installed (under build/peers, every version pinned), set up in front of
one engine, and started."""

import json
import os
import secrets
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

from installing import PINS, Skipped, install_step, installed
from proc import cpu_s, memory_mib
from services import Process, free_port, wait_for


class Row(Process):
    """Something that answers OpenAI's chat completions, in front of `engine` (its URL)."""

    name, version, model, path = "", "", "stub", "/v1/chat/completions"
    start_timeout_s = 240
    ready_path = "/v1/models"

    def __init__(self, folder, engine):
        super().__init__()
        self.folder, self.engine, self.port = Path(folder), engine, free_port()
        self.folder.mkdir(parents=True)
        self.log = self.folder / "log"

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self):
        return self.base + self.path

    def headers(self):
        return []

    def start(self):
        self.launch()
        wait_for(self.name, self.ready, self.start_timeout_s, self.process)
        return self

    def launch(self):
        raise NotImplementedError

    def ready(self):
        request = urllib.request.Request(self.base + self.ready_path)
        for header in self.headers():
            request.add_header(*header.split(": ", 1))
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self):
        self.end(15, 10)

    def memory_mib(self):
        """Resident, what processes share counted once (Pss), of the program and what it started."""
        return memory_mib(self.process.pid)

    def cpu_s(self):
        """That it and what it started have used, and what it cannot do without: by program."""
        return {self.name: cpu_s(self.process.pid)}


class Direct(Row):
    """The engine itself, without anybody between."""

    name = "engine"

    def __init__(self, folder, program):
        super().__init__(folder, None)
        self.program = program

    def launch(self):
        self.spawn([str(self.program), "--port", str(self.port)], log=self.log)


class LiteLLM(Row):
    name = "LiteLLM"
    ready_path = "/health/liveliness"
    workers = 2

    def __init__(self, folder, engine):
        super().__init__(folder, engine)
        pins = PINS / "litellm.txt"
        self.root = installed("litellm", [pins], lambda to: self.install(to, pins))
        self.version = next(
            line.split("==")[1] for line in pins.read_text().splitlines() if line.startswith("litellm==")
        )
        self.key = "sk-" + secrets.token_hex(32)

    @staticmethod
    def install(to, pins):
        install_step([sys.executable, "-m", "venv", str(to)])
        install_step([str(to / "bin/pip"), "install", "-q", "--no-deps", "-r", str(pins)])

    def headers(self):
        return [f"Authorization: Bearer {self.key}"]

    def launch(self):
        config = {
            "model_list": [
                {
                    "model_name": self.model,
                    "litellm_params": {"model": "openai/stub", "api_base": self.engine + "/v1", "api_key": "none"},
                }
            ],
            "litellm_settings": {"telemetry": False},
        }
        (self.folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        environment = {"LITELLM_MASTER_KEY": self.key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        self.spawn(
            [str(self.root / "bin/litellm"), "--config", str(self.folder / "config.yaml"), "--host", "127.0.0.1"]
            + ["--port", str(self.port), "--num_workers", str(self.workers), "--telemetry", "False"]
            # A machine that is busy takes longer than its 5 s to load a worker, which would be ended and begun anew for ever.
            + ["--timeout_worker_healthcheck", "120"],
            {**plain_environment(), **environment},
            self.log,
            self.folder,
        )


class Portkey(Row):
    name = "Portkey"
    ready_path = "/"

    def __init__(self, folder, engine):
        super().__init__(folder, engine)
        pins = [PINS / "portkey/package.json", PINS / "portkey/package-lock.json"]
        self.root = installed("portkey", pins, lambda to: self.install(to, pins))
        package = self.root / "node_modules/@portkey-ai/gateway"
        self.version = json.loads((package / "package.json").read_text())["version"]
        self.program = package / "build/start-server.js"

    @staticmethod
    def install(to, pins):
        for file in pins:
            shutil.copy(file, to)
        install_step(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=to)

    def headers(self):
        return ["x-portkey-provider: openai", f"x-portkey-custom-host: {self.engine}/v1", "authorization: Bearer none"]

    def launch(self):
        self.spawn(
            [
                "node",
                "--require",
                str(PINS / "loopback.cjs"),
                str(self.program),
                f"--port={self.port}",
                "--headless",
            ],
            {**plain_environment(), "NODE_ENV": "production"},
            self.log,
            self.folder,
        )


class Olla(Row):
    """In no package registry: whoever has it names the program."""

    name = "Olla"
    path = "/olla/openai/v1/chat/completions"
    ready_path = "/olla/openai/v1/models"

    def __init__(self, folder, engine, program=None):
        if not program:
            raise Skipped("no package registry has it; $OLLA names a program that you have built")
        super().__init__(folder, engine)
        self.program = Path(program).resolve()
        if not self.program.is_file():
            raise Skipped(f"there is no {program}")

    def launch(self):
        endpoint = {"url": self.engine, "name": "stub", "type": "openai-compatible", "priority": 100}
        checks = {
            "model_url": "/v1/models",
            "health_check_url": "/health",
            "check_interval": "5s",
            "check_timeout": "2s",
        }
        no_limits = dict.fromkeys((f"{of}_requests_per_minute" for of in ("global", "per_ip", "health")), 0)
        config = {
            "server": {"host": "127.0.0.1", "port": self.port, "request_logging": False, "rate_limits": no_limits},
            "proxy": {"engine": "olla", "profile": "auto", "load_balancer": "least-connections"},
            "discovery": {"type": "static", "static": {"endpoints": [{**endpoint, **checks}]}},
            "logging": {"level": "error", "format": "json", "output": "stdout"},
        }
        (self.folder / "config.yaml").write_text(json.dumps(config))
        self.spawn(
            [str(self.program), "-config", str(self.folder / "config.yaml")], plain_environment(), self.log, self.folder
        )


def plain_environment():
    """Without what this bench was told itself."""
    return {
        k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "OPENGATEWAY_", "LITELLM_", "OLLA_"))
    }
