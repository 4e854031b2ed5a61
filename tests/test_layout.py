"""The layout of the package: one row per folder, imports that point down, and no circles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fws_gevent

PACKAGE = "fws_gevent"
ROOT = Path(fws_gevent.__file__).parent

ROWS: dict[str, frozenset[str]] = {
    # Entry points.
    "": frozenset(),
    "__main__": frozenset({"gevent"}),
    "cli": frozenset({"click", "flask", "gevent", "werkzeug"}),
    "server": frozenset({"gevent"}),
    "extension": frozenset({"flask", "werkzeug"}),
    "application": frozenset({"gevent"}),
    "worker": frozenset({"gevent", "gunicorn"}),
    # Requests, and the composition of a server.
    "workers": frozenset({"gevent"}),
    "wsgi": frozenset({"gevent", "geventwebsocket"}),
    "startup": frozenset({"flask", "gevent"}),
    "web": frozenset({"flask", "gevent", "itsdangerous", "prometheus_client", "werkzeug"}),
    "upgrade": frozenset({"gevent"}),
    # Many nodes.
    "cluster": frozenset({"gevent", "greenlet", "redis"}),
    # One node.
    "node": frozenset({"gevent"}),
    "broker": frozenset(),
    # One connection, and the loop that serves it.
    "connection": frozenset({"gevent", "greenlet"}),
    "loop": frozenset({"gevent", "greenlet"}),
    "filters": frozenset(),
    "storage": frozenset({"redis"}),
    "publisher": frozenset({"redis"}),
    "redis_io": frozenset({"redis"}),
    "tokens": frozenset({"jwt"}),
    "settings": frozenset(),
    # Bytes.
    "protocol": frozenset({"websockets"}),
    # The vocabulary.
    "signals": frozenset({"blinker"}),
    "logs": frozenset({"gevent", "pythonjsonlogger"}),
    "clock": frozenset(),
    "message": frozenset(),
    "errors": frozenset(),
    "_version": frozenset(),
}
"""The folders and root files from top to bottom, with the third-party packages of each.

A file may import its own folder and the rows below it; `TYPE_CHECKING` imports count.
"""

ORDER = list(ROWS)

IMPURE = {"socket", "_socket", "ssl", "select", "selectors", "asyncio", "threading", "time"}
"""Modules that the protocol must not import: it is bytes in and events out."""

PAGE = {"filters.base", "filters"}
"""The modules that a bundled filter may import, since users copy its file."""

LIBRARY = {"filters.base", "filters.chain", "filters.registry", "filters.results", "filters"}
"""The files of filters/ that are not bundled filters."""


def name_of(path: Path) -> str:
    """Return a file's module name within the package; the package itself is ""."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix("__init__").rstrip(".")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def row_of(module: str) -> int:
    """Return the number of a module's row, 0 at the top. Raises ValueError for none."""
    return ORDER.index(module.partition(".")[0])


def imported(
    module: str, source: str, known: Collection[str], *, is_package: bool = False
) -> Iterator[str]:
    """Yield the full names of the modules that `source` imports anywhere."""
    here = f"{PACKAGE}.{module}".rstrip(".").split(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - is_package
            start = here[: len(here) - up] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner.removeprefix(f"{PACKAGE}.") in known else base


def may_be_copied_with(inner: str) -> bool:
    """Return whether a bundled filter, a page that users copy, may import this."""
    return inner in PAGE or (inner.startswith("filters.") and inner not in LIBRARY)


def violations(
    module: str, source: str, known: Collection[str], *, is_package: bool = False
) -> list[str]:
    """Return what `module` of the package must not import, and does."""
    row, wrong = row_of(module), []
    is_page = module.startswith("filters.") and module not in LIBRARY
    allowed = sys.stdlib_module_names | ROWS[ORDER[row]]
    for name in imported(module, source, known, is_package=is_package):
        first, _, inner = name.partition(".")
        if first != PACKAGE:
            if first not in allowed:
                wrong.append(name)
        elif row_of(inner) < row or (is_page and not may_be_copied_with(inner)):
            wrong.append(name)
    return wrong


def inner_imports(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return the modules of the package that each of them imports."""
    found = {}
    for module, path in modules.items():
        names = imported(
            module, path.read_text("utf-8"), modules, is_package=path.name == "__init__.py"
        )
        inner = {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(PACKAGE)}
        found[module] = (inner & set(modules)) - {module}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_file_imports_from_its_own_row_and_below_alone(module: str) -> None:
    path = MODULES[module]
    source = path.read_text("utf-8")
    found = violations(module, source, MODULES, is_package=path.name == "__init__.py")
    assert not found


def test_no_file_imports_itself_by_way_of_others() -> None:
    circle: list[str] = []
    try:
        TopologicalSorter(inner_imports(MODULES)).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert not circle


def test_each_folder_and_root_file_has_a_row_and_each_row_is_there() -> None:
    assert {module.partition(".")[0] for module in MODULES} == set(ROWS)


def test_each_third_party_package_of_a_row_is_used_there() -> None:
    used: dict[str, set[str]] = {row: set() for row in ROWS}
    for module, path in MODULES.items():
        names = imported(module, path.read_text("utf-8"), MODULES)
        used[ORDER[row_of(module)]] |= {name.partition(".")[0] for name in names}
    assert {row: packages - used[row] for row, packages in ROWS.items()} == dict.fromkeys(
        ROWS, frozenset()
    )


def test_the_root_holds_only_what_users_import() -> None:
    assert len(list(ROOT.glob("*.py"))) <= 14


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_longer_than_300_lines(module: str) -> None:
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= 300


def test_only_the_measured_functions_are_longer_than_45_lines() -> None:
    long = {
        f"{module}.{node.name}"
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
        if node.end_lineno - node.lineno >= 45
    }
    # A call less in a message's way in is 0.05 µs of 2 µs; see its docstring.
    assert long == {"connection.inbound.run"}


def test_each_folder_says_what_it_is_and_what_it_imports() -> None:
    folders = [path for name, path in MODULES.items() if path.name == "__init__.py" and name]
    assert len(folders) > 10
    for path in folders:
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("protocol.")])
def test_the_protocol_imports_neither_sockets_nor_clocks(module: str) -> None:
    source = MODULES[module].read_text("utf-8")
    assert {name.split(".")[0] for name in imported(module, source, MODULES)}.isdisjoint(IMPURE)


def test_importing_the_package_imports_neither_gevent_nor_flask() -> None:
    script = "import sys, fws_gevent; print({'gevent', 'flask', 'socket'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


KNOWN = ("", "errors", "signals", "settings", "server", "wsgi.handler", "protocol",
         "protocol.frames", "filters", "filters.base", "filters.chain", "filters.one",
         "filters.two", "storage.base", "node", "node.node", "loop", "loop.wheel")  # fmt: skip


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("errors", "from __future__ import annotations\nimport enum, ssl", []),
        ("errors", "from .settings import Settings", ["fws_gevent.settings"]),
        ("errors", "import redis", ["redis"]),
        ("errors", "from gevent.event import Event", ["gevent.event"]),
        ("errors", "def f():\n    from . import server", ["fws_gevent.server"]),
        ("signals", "from blinker import Signal\nfrom .errors import FwsError", []),
        ("protocol.frames", "from ..errors import CloseCode\nfrom websockets.utils import x", []),
        ("protocol.frames", "from .. import loop", ["fws_gevent.loop"]),
        ("protocol.frames", "import fws_gevent.loop.wheel", ["fws_gevent.loop.wheel"]),
        ("settings", "from .protocol import frames\nfrom .errors import Call", []),
        ("settings", "from fws_gevent.loop import wheel", ["fws_gevent.loop.wheel"]),
        ("settings", "import gevent", ["gevent"]),
        ("filters.chain", "from .base import Call\nfrom .. import signals", []),
        ("loop.wheel", "from .reactor import Reactor\nimport gevent, greenlet", []),
        ("loop.wheel", "from ..wsgi.handler import Handler", ["fws_gevent.wsgi.handler"]),
        (
            "loop.wheel",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..server import S",
            ["fws_gevent.server"],
        ),
        ("loop.wheel", "import flask", ["flask"]),
        ("filters.one", "from .base import FilterBase\nfrom .two import Two\nimport re", []),
        ("filters.one", "from ..errors import CloseCode", ["fws_gevent.errors"]),
        ("filters.one", "from .chain import Chain", ["fws_gevent.filters.chain"]),
        ("filters.one", "from ..node.node import Node", ["fws_gevent.node.node"]),
        ("server", "from .wsgi.handler import H\nimport gevent.pywsgi", []),
        ("server", "import flask", ["flask"]),
        ("web.metrics", "import redis", ["redis"]),
    ],
)
def test_an_import_upwards_or_from_outside_is_found(
    module: str, source: str, wrong: list[str]
) -> None:
    assert violations(module, source, KNOWN) == wrong


def test_the_init_file_of_a_package_is_resolved_as_one() -> None:
    source = "from .wheel import Wheel\nfrom ..server import build_server"
    assert violations("loop", source, KNOWN, is_package=True) == ["fws_gevent.server"]


def test_gunicorn_may_patch_after_it_imported_our_worker() -> None:
    # gunicorn imports ssl, then the worker's class. The application is imported after gevent's
    # patches, which warn of modules that were imported too early.
    code = "import ssl, fws_gevent.worker; from gevent import monkey; monkey.patch_all()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == ""
