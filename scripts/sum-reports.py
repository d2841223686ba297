#!/usr/bin/env python3
"""Adds up a folder of JUnit reports (Criterion's and pytest's) and NAME.check files: prints each skip with its reason, each failure by name,
and last the line `N passed, N failed, N skipped`. Exit status 1 where anything failed, or where nothing ran."""

import sys
import xml.etree.ElementTree as tree
from pathlib import Path


def cases(folder):
    """Yields (name, "passed" | "failed" | "skipped", reason)."""
    for path in sorted(folder.glob("*.check")):
        yield path.stem, path.read_text().strip(), ""
    for path in sorted(folder.glob("*.xml")):
        try:
            root = tree.parse(path).getroot()
        except tree.ParseError as error:
            yield path.name, "failed", f"its report is broken: {error}"
            continue
        for suite in root.iter("testsuite"):
            for case in suite.iter("testcase"):
                name = f"{path.stem}: {case.get('classname') or suite.get('name')}::{case.get('name')}"
                skipped = case.find("skipped")
                if skipped is not None:
                    yield name, "skipped", skipped.get("message") or (skipped.text or "").strip() or "no reason given"
                elif case.find("failure") is not None or case.find("error") is not None:
                    yield name, "failed", ""
                elif case.get("status", "PASSED") not in ("PASSED", "SKIPPED"):
                    yield name, "failed", case.get("status")
                else:
                    yield name, "passed", ""


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, how, reason in cases(Path(sys.argv[1])):
        counts[how] += 1
        if how != "passed":
            print(f"{how.upper()} {name}{': ' + reason if reason else ''}")
    print(", ".join(f"{counts[how]} {how}" for how in ("passed", "failed", "skipped")))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
