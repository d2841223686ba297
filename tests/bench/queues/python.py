"""Peers in Python: a virtual environment each, and a client that is a program of it."""

import sys

from installing import PINS, install_step, installed
from queues.row import Peer


class PythonPeer(Peer):
    package = ""

    def __init__(self, bed):
        self.programs = PINS / self.package
        pins = self.programs / "requirements.txt"
        self.root = installed(self.package, [pins], lambda to: self.install(to, pins))
        self.version = next(
            line.split("==")[1] for line in pins.read_text().splitlines() if line.startswith(self.package + "==")
        )
        super().__init__(bed)

    @staticmethod
    def install(to, pins):
        install_step([sys.executable, "-m", "venv", str(to)])
        install_step([str(to / "bin/pip"), "install", "-q", "--no-deps", "-r", str(pins)])

    def environment(self):
        return {**super().environment(), "PYTHONPATH": str(self.programs)}

    def client(self):
        return [self.root / "bin/python", self.programs / "client.py"]
