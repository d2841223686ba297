"""End to end: the real installer, programs, broker, Redis and model, as a user meets them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests"))

from support.services import wait_for  # noqa: E402


class Installation:
    """One home folder and one root, and the commands a user would type there."""

    def __init__(self, home, prefix=()):
        self.home, self.prefix = Path(home), list(prefix)
        self.root = self.home / ".opengateway-poc"

    def environment(self, **extra):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "OPENGATEWAY_", "NODE_NAME", "XDG_"))}
        return {**kept, "HOME": str(self.home), "OPENGATEWAY_POC_ROOT": str(self.root), **extra}

    def run(self, *args, timeout=60, check=True, stdin=subprocess.DEVNULL, **env):
        done = subprocess.run(
            self.prefix + [str(a) for a in args],
            env=self.environment(**env),
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{args} ended with {done.returncode}\nstdout: {done.stdout}\nstderr: {done.stderr}")
        return done

    def install(self, **env):
        return self.run(REPO / "scripts/install.sh", timeout=600, **env)

    def og(self, *args, **more):
        return self.run(self.root / "bin/og", *args, **more)

    def og_json(self, *args, **more):
        return json.loads(self.og(*args, "--json", **more).stdout)

    def log(self, service):
        path = self.root / "logs" / f"{service}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, service, text, timeout=30):
        wait_for(f"'{text}' in the log of {service}", lambda: text in self.log(service), timeout)

    def remove(self):
        script = self.root / "uninstall.sh"
        if script.exists():
            self.run(script, "--yes", check=False)
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """The build cache that all installations of this run share: the tree is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("h")
