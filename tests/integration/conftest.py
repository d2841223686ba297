"""A RabbitMQ and a Redis for this run; with `pytest -n`, for each of its processes, since users and alarms are a whole broker's. Where
OG_TEST_AMQP is set already (tests/support/services.py -- pytest …), those are used."""

import itertools
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from services import Services  # noqa: E402

running = None
names = itertools.count()


@pytest.fixture
def fleet(tmp_path):
    """A cluster of the test's own, no scheduler yet (fleet.py)."""
    from fleet import Fleet

    f = Fleet(tmp_path, f"fleet-{next(names)}")
    yield f
    f.close()


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
