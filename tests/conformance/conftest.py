"""One network for all clients, and what each test has shown: `@covers(endpoint, parameter)` says what a test is about, the file's CLIENT whose
it is. The results go to $OG_CONFORMANCE_RESULTS, for table.py."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rig import Conformance  # noqa: E402
from table import CLIENTS, ROWS  # noqa: E402

results = []


def pytest_configure(config):
    config.addinivalue_line("markers", "covers(endpoint, *parameters): which rows of the table the test is for")
    config.addinivalue_line("markers", "by_stub: shown with the stub engine, since the small model cannot")


def pytest_collection_modifyitems(items):
    known = {(endpoint, parameter) for endpoint, parameters in ROWS for parameter in parameters}
    for item in items:
        endpoint, *parameters = item.get_closest_marker("covers").args
        unknown = {(endpoint, parameter) for parameter in parameters} - known
        if unknown or item.module.CLIENT not in CLIENTS:
            raise pytest.UsageError(f"{item.nodeid}: {unknown or item.module.CLIENT} is not in table.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" or report.outcome != "passed":
        endpoint, *parameters = item.get_closest_marker("covers").args
        results.append(
            {
                "test": item.nodeid,
                "client": item.module.CLIENT,
                "endpoint": endpoint,
                "parameters": parameters,
                "engine": "stub" if item.get_closest_marker("by_stub") else "model",
                "works": report.outcome == "passed" and not hasattr(report, "wasxfail"),
                "why_not": getattr(report, "wasxfail", ""),
                "seconds": round(report.duration, 3),
            }
        )
    return report


def pytest_sessionfinish():
    if os.environ.get("OG_CONFORMANCE_RESULTS"):
        Path(os.environ["OG_CONFORMANCE_RESULTS"]).write_text(json.dumps(results, indent=2) + "\n")


@pytest.fixture(scope="session")
def network():
    n = Conformance()
    try:
        yield n.start_all()
    finally:
        n.close()
