"""The Makefile with different Pythons: the environments that it makes, and those it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients import ROOT


def made(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Return what make would do, outside of another make."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MAKE") and name != "PYTHON"  # make passes its variables on
    }
    return subprocess.run(
        ["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**inherited, "HOME": str(home), "PYENV_ROOT": str(home / "pyenv"), **environ},
    )  # fmt: skip


def put_python(path: Path, version: str) -> str:
    """Write a program that prints what a Python of a version prints."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = tuple(map(int, version.split("."))) >= (3, 11)
    path.write_text(f"#!/bin/sh\necho {path} {version} {new}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("goal", ["run", "test"])
@pytest.mark.parametrize("version", ["2.7", "3.9", "3.10"])
def test_an_older_python_is_refused_in_one_line(version: str, goal: str, tmp_path: Path) -> None:
    python = put_python(tmp_path / "python", version)
    done = made(tmp_path, goal, f"PYTHON={python}")
    assert done.returncode
    [line] = done.stderr.splitlines()
    assert f"{python} is Python {version}, and this needs 3.11 or newer" in line
    assert not done.stdout


def test_a_missing_python_is_reported_in_one_line(tmp_path: Path) -> None:
    done = made(tmp_path, "run", "PYTHON=python9.9")
    assert done.returncode
    [line] = done.stderr.splitlines()
    assert "there is no python9.9 here" in line


@pytest.mark.parametrize("version", ["3.11", "3.14", "4.0"])
def test_each_version_has_an_environment_of_its_own(version: str, tmp_path: Path) -> None:
    python = put_python(tmp_path / "python", version)
    done = made(tmp_path, "run", "-B", f"PYTHON={python}")
    assert done.returncode == 0, done.stderr
    assert f"{python} -m venv --clear .venv-{version}\n" in done.stdout
    assert f"\n.venv-{version}/bin/python example_app/chat_server.py\n" in done.stdout


def test_the_environment_of_the_default_python_is_made_anew_for_another_version(
    tmp_path: Path,
) -> None:
    put_python(tmp_path / "bin" / "python3", "9.9")
    done = made(tmp_path, "run", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert f"{tmp_path / 'bin' / 'python3'} -m venv --clear .venv\n" in done.stdout
    assert "\ntouch .venv/python-9.9\n" in done.stdout


def test_a_python_of_pyenv_is_found_by_its_name(tmp_path: Path) -> None:
    python = put_python(tmp_path / "pyenv" / "versions" / "9.9.1" / "bin" / "python9.9", "9.9")
    done = made(tmp_path, "run", "PYTHON=python9.9")
    assert f"{python} -m venv --clear .venv-9.9\n" in done.stdout


def test_the_oldest_python_is_the_same_everywhere() -> None:
    for name, words in (
        ("pyproject.toml", ('requires-python = ">=3.11"', 'target-version = "py311"')),
        ("README.md", ("Python 3.11 or newer",)),
    ):
        text = (ROOT / name).read_text("utf-8")
        for each in words:
            assert each in text, name


def test_the_lowest_versions_have_an_environment_of_their_own(tmp_path: Path) -> None:
    python = put_python(tmp_path / "python", "3.11")
    done = made(tmp_path, "test-min", "-B", f"PYTHON={python}")
    assert f"{python} -m venv --clear .venv-3.11-min\n" in done.stdout
    assert "\n.venv-3.11-min/bin/python -m tests.lowest >.venv-3.11-min/lowest.txt\n" in done.stdout
    assert " -r .venv-3.11-min/lowest.txt " in done.stdout
    assert "\n.venv-3.11-min/bin/python -m tests.parts\n" in done.stdout
    assert "-r requirements.txt" not in done.stdout


def folder_of_pythons(folder: Path, *minors: int) -> str:
    """Make a PATH with these minor versions of Python 3 alone, each of which can do little."""
    folder.mkdir()
    for name in ("bash", "env", "make", "sh"):
        (folder / name).symlink_to(shutil.which(name) or name)
    for minor in minors:
        path = Path(put_python(folder / f"python3.{minor}", f"3.{minor}"))
        text = path.read_text().replace("echo", f'case "$2" in *venv*) echo {minor};; *) echo')
        path.write_text(f"{text.rstrip()};; esac\n")
    (folder / "python3").symlink_to(folder / f"python3.{minors[0]}")
    return str(folder)


def test_each_python_from_3_11_to_3_14_that_is_installed_is_tested(tmp_path: Path) -> None:
    path = folder_of_pythons(tmp_path / "bin", 13, 11, 15)
    put_python(tmp_path / "pyenv" / "versions" / "3.10.9" / "bin" / "python3", "3.10")
    done = made(tmp_path, "test-pythons", PATH=path)
    assert done.returncode == 0, done.stderr
    assert "found: python3.11 python3.13\n" in done.stdout
    for version, count in (("3.11", 1), ("3.13", 1), ("3.15", 0)):
        assert done.stdout.count(f"\n.venv-{version}/bin/python -m tests.parts\n") == count


def test_that_none_of_them_is_installed_is_told(tmp_path: Path) -> None:
    done = made(tmp_path, "test-pythons", PATH=folder_of_pythons(tmp_path / "bin", 15))
    assert done.returncode
    assert "there is no Python 3.11 to 3.14 with venv\n" in done.stderr


def test_all_of_them_are_tried_and_those_that_fail_are_named(tmp_path: Path) -> None:
    path = folder_of_pythons(tmp_path / "bin", 11, 13)
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    done = subprocess.run(
        ["make", "test-pythons"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"HOME": str(tmp_path), "PATH": path},
    )  # fmt: skip
    assert done.returncode
    assert "make test failed with: python3.11 python3.13\n" in done.stderr
