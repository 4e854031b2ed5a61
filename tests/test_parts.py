"""The tests run in parts, each test in one of them, with one verdict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients import ROOT
from tests.parts import PARTS, RESILIENCE, TOGETHER, divide

GOOD = "def test_good(): pass\n"
BAD = "def test_bad(): assert not 'bad'\n"
SKIPS = "import pytest\ndef test_that_needs_more(): pytest.skip('no such thing; install it')\n"


def test_each_test_file_is_in_one_part_and_shared_folders_stay_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    files = [each for each in Path("tests").rglob("test_*.py") if RESILIENCE not in each.parents]
    parts = divide(files, PARTS)
    assert len(parts) == PARTS
    named = [each for part in parts for each in part]
    alone = [each for each in files if not any(folder in each.parents for folder in TOGETHER)]
    assert sorted(named) == sorted([*alone, *TOGETHER])


@pytest.mark.parametrize(("first", "status"), [(GOOD, 0), (BAD, 1)])
def test_the_verdict_covers_all_parts_and_skipped_tests_come_last(
    first: str, status: int, tmp_path: Path
) -> None:
    files = [tmp_path / f"test_{number}.py" for number in range(2)]
    for file, source in zip(files, (first, SKIPS), strict=True):
        file.write_text(source)
    environ = {name: value for name, value in os.environ.items() if name != "TESTS_REQUIRE"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.parts", *map(str, files)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**environ, "PYTEST_ADDOPTS": "-p tests.skipped"},
    )  # fmt: skip
    assert done.returncode == status, done.stdout
    assert done.stdout.splitlines()[-1] == "  to have them run: install it"
