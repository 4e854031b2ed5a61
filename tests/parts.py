"""Run all tests in parallel parts: most tests wait for something most of the time.

`python -m tests.parts [FOLDER_OR_FILE…]` divides the test files among as many pytest processes as
there are PARTS. Each part's output is printed in one piece when it has ended. The skipped tests,
and the commands that install their programs, come last.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from .skipped import FILE, summary

PARTS = 7
RESILIENCE = Path("tests/resilience")
"""The folder whose tests `make faults` runs."""
TOGETHER = (Path("tests/example_app"),)
"""Folders whose tests share costly fixtures."""

_SLOW = {
    "tests/many_nodes": 4,
    "tests/cluster": 2,
    "tests/web": 2,
    "tests/example_app": 4,
    "tests": 3,
}
"""The approximate duration of a line of tests in a folder, relative to others."""


def divide(files: Sequence[Path], parts: int) -> list[list[Path]]:
    """Divide test files so that each part takes about as long, judged by their sizes."""
    units: dict[Path, list[Path]] = {}
    for file in files:
        folder = next((each for each in TOGETHER if each in file.parents), file)
        units.setdefault(folder, []).append(file)
    weights = {unit: sum(map(_weight, members)) for unit, members in units.items()}
    loads = [0.0] * parts
    divided: list[list[Path]] = [[] for _ in range(parts)]
    for unit in sorted(units, key=lambda each: (-weights[each], each)):
        least = loads.index(min(loads))
        loads[least] += weights[unit]
        divided[least] += [unit] if unit in TOGETHER else units[unit]
    return [sorted(part) for part in divided if part]


def _weight(file: Path) -> float:
    return _SLOW.get(file.parent.as_posix(), 1) * file.stat().st_size


def run(parts: Sequence[Sequence[Path]]) -> int:
    """Run all parts at once. Return the exit status of one that failed, or 0."""
    status = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(parts)) as pool:
        skipped = Path(folder) / "skipped"
        running = [pool.submit(_run_part, part, skipped) for part in parts]
        for each in as_completed(running):
            done = each.result()
            print(*done.args[1:], done.stdout.rstrip(), sep=" ", flush=True)
            status = status or done.returncode
        if skipped.exists():
            print(*summary(skipped.read_text("utf-8").splitlines()), sep="\n", flush=True)
    return status


def _run_part(part: Sequence[Path], skipped: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, part)],
        env={**os.environ, FILE: str(skipped)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def main() -> None:
    """Run the tests in the named folders and files, or all except those of `make faults`."""
    named = [Path(each) for each in sys.argv[1:]] or [Path("tests")]
    files = [
        file for each in named for file in ([each] if each.is_file() else each.rglob("test_*.py"))
    ]
    if not sys.argv[1:]:
        files = [file for file in files if RESILIENCE not in file.parents]
    raise SystemExit(run(divide(files, PARTS)))


if __name__ == "__main__":
    main()
