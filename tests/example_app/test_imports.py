"""The example app imports only public names, so that it can be copied."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fws_gevent

from ..clients import ROOT

MODULES = {
    "fws_gevent.application",
    "fws_gevent.server",
    "fws_gevent.signals",
    "fws_gevent.storage",
    "fws_gevent.testing",
    "fws_gevent.worker",
}
"""The public modules, beside the package itself and the modules of filters."""

SOURCES = [*sorted((ROOT / "example_app").glob("*.py")), ROOT / "benchmarks" / "server.py"]


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of the package that a file imports, with its module."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def is_public(module: str, name: str) -> bool:
    if module == "fws_gevent":
        public = {*fws_gevent.__all__, "filters", "signals", "storage"}
        return not name or name in public
    return module in MODULES or module.startswith("fws_gevent.filters.")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_only_public_names_are_imported(path: Path) -> None:
    found = [each for each in imports(path) if each[0].partition(".")[0] == "fws_gevent"]
    assert [each for each in found if not is_public(*each)] == []


def test_the_example_uses_the_package() -> None:
    modules = {module for path in SOURCES for module, _ in imports(path)}
    assert {"fws_gevent", "fws_gevent.server", "fws_gevent.filters.base"} <= modules
