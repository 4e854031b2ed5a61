"""The package is complete: its licence, its versions of Python and its data files."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

from .clients import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGE = ROOT / "fws_gevent"


def test_the_license_is_installed_with_the_package() -> None:
    installed = metadata("fws-gevent")
    assert installed["License-Expression"] == "MIT"
    assert installed.get_all("License-File") == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n\nCopyright (c) ")


def test_the_classifiers_name_each_python_from_the_oldest_on() -> None:
    named = [
        int(minor)
        for each in PROJECT["project"]["classifiers"]
        for minor in re.findall(r"^Programming Language :: Python :: 3\.(\d+)$", each)
    ]
    assert named == list(range(named[0], named[-1] + 1))
    assert PROJECT["project"]["requires-python"] == f">=3.{named[0]}"


def test_each_data_file_is_packaged() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["fws_gevent"]
    packaged = {file for pattern in patterns for file in PACKAGE.glob(pattern)}
    data = {each for each in PACKAGE.rglob("*") if each.is_file() and not _is_code(each)}
    assert data
    assert data - packaged == set()


def _is_code(path: Path) -> bool:
    return path.suffix in {".py", ".pyc"}


def test_the_hooks_before_a_commit_have_the_versions_of_make_lint() -> None:
    pinned = (ROOT / "requirements-dev.txt").read_text("utf-8").splitlines()
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    versions = re.findall(r'"([\w-]+==[\w.]+)"', hooks)
    assert {each.partition("==")[0] for each in versions} == {"ruff", "codespell"}
    assert set(versions) <= set(pinned)
