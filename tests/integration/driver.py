"""A C driver as a test meets it: lines of words in, JSON events out."""

import json
import os
import queue
import subprocess
import threading
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("OG_BUILD", REPO / "build/asan")) / "tests/integration"


class Driver:
    def __init__(self, program, *args):
        self.process = subprocess.Popen(
            [PROGRAMS / program, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.events = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put({"event": "end of output"})

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def next(self, timeout=10):
        return self.events.get(timeout=timeout)

    def until(self, name, timeout=10):
        """The next event of that name; those before it are dropped."""
        while (event := self.next(timeout))["event"] != name:
            assert event["event"] != "end of output", f"ended before {name}"
        return event

    def ask(self, *words, timeout=10):
        """The answer to one command: its event, whatever it is, but for `up` and `down`."""
        self.say(*words)
        while (event := self.next(timeout))["event"] in ("up", "down"):
            pass
        return event

    def close(self):
        """Asks it to close and checks that it ends by itself, with nothing left on its loop and nothing leaked."""
        if self.process.poll() is None:
            self.say("close")
            self.until("closed")
        assert self.process.wait(10) == 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.process.kill()
            self.process.wait()
