"""A RabbitMQ and a Redis for this run; with `pytest -n`, for each of its processes, since users and alarms are a whole broker's. Where
OG_TEST_AMQP is set already (tests/support/services.py -- pytest …), those are used."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from services import Services  # noqa: E402

running = None


def pytest_sessionstart(session):
    global running
    # A run in the background inherits Ctrl-C as ignored, and would pass that on to the programs that are sent one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    only_hands_out = session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput")
    if "OG_TEST_AMQP" not in os.environ and not only_hands_out:
        running = Services().__enter__()
        os.environ.update(running.environment)


def pytest_sessionfinish():
    if running:
        running.__exit__()
