"""List skipped tests by name at the end of a test run."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = "TESTS_SKIPPED"
"""The environment variable with a file for the skipped tests, if another program lists them."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write the skipped tests of a pytest run to the terminal, or to the file in TESTS_SKIPPED."""
    skipped = _skipped(terminalreporter.stats.get("skipped", ()))
    lines = [f"{reason}\t{name}" for name, reason in skipped]
    path = os.environ.get(FILE)
    if path is None:
        for line in summary(lines):
            terminalreporter.write_line(line)
    elif lines:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def _skipped(reports: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for report in reports:
        _, _, reason = report.longrepr
        yield report.nodeid, " ".join(reason.removeprefix("Skipped: ").split())


def summary(lines: Iterable[str]) -> list[str]:
    """Return the lines about skipped tests: their names below their reason.

    The command in a reason follows a semicolon at the end.
    """
    tests = defaultdict(list)
    for line in lines:
        reason, _, name = line.partition("\t")
        tests[reason].append(name)
    told = []
    for reason, names in sorted(tests.items()):
        why, _, command = reason.partition("; ")
        told.append(f"{len(names)} tests were skipped: {why}")
        told += [f"  {name}" for name in sorted(names)]
        if command:
            told.append(f"  to have them run: {command}")
    return told
