"""The API reference builds without warnings, and has all public names."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

import fws_gevent
from docs.reference import PUBLIC

from .clients import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the reference; pdoc's warnings are errors."""
    made = tmp_path_factory.mktemp("reference")
    done = subprocess.run(
        [sys.executable, "-m", "docs.reference", made],
        cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return made


def names_of(module: str) -> list[str]:
    """Return the public names that a module defines or exports, modules such as `sys` excepted."""
    public = importlib.import_module(module)
    exported: list[str] | None = getattr(public, "__all__", None)
    if exported is not None:
        return [name for name in exported if not isinstance(getattr(public, name), ModuleType)]
    return [
        name
        for name, value in vars(public).items()
        if not (name.startswith("_") or isinstance(value, TypeVar))
        and getattr(value, "__module__", None) == module
    ]


@pytest.mark.parametrize("module", PUBLIC)
def test_each_public_name_is_in_the_reference(module: str, folder: Path) -> None:
    page = folder.joinpath(*module.split(".")).with_suffix(".html").read_text("utf-8")
    names = names_of(module)
    assert names
    assert [name for name in names if f'id="{name}"' not in page] == []


def test_each_module_at_the_root_with_an_exported_name_is_public() -> None:
    homes = {getattr(getattr(fws_gevent, name), "__module__", "") for name in fws_gevent.__all__}
    roots = {home for home in homes if home.count(".") == 1}
    assert roots - set(PUBLIC) <= {"fws_gevent.errors", "fws_gevent.message"}
