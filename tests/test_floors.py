"""Each file of the package imports from its own floor and from those below it, never upwards."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import fws_gevent

PACKAGE = "fws_gevent"
ROOT = Path(fws_gevent.__file__).parent

TOP = 4
FLOORS = {
    "web.metrics": 1,
    "node.rates": 1,
    "node": 2,
    "connection": 2,
    "loop": 2,
    "publisher": 2,
    "redis_io": 2,
    "logs.printing": 2,
    "logs": 0,
    "logs.output": 2,
    "logs.configuration": 2,
    "": 4,  # the package itself: it names what is at the top, which it imports when asked for
    "errors": 0,
    "signals": 0,
    "message": 0,
    "protocol": 0,
    "settings": 1,
    "tokens": 1,
    "filters.base": 1,
    "filters.chain": 1,
    "filters.results": 1,
    "storage.base": 1,
    "storage.memory": 1,
    "storage.redis": 2,
    "cluster": 2,
    "filters": 3,
    "web": 3,
}
# A package's own file runs before everything in it: it belongs to the lowest floor among them.
PACKAGE_FILES = {"filters": 1, "storage": 1}

OTHERS = (
    {"blinker", "websockets"},
    {"pythonjsonlogger", "jwt", "prometheus_client"},
    {"gevent", "greenlet", "redis"},
    {"flask", "werkzeug", "itsdangerous"},
    {"geventwebsocket", "gunicorn", "click"},
)
"""What each floor may import beside the standard library and what those below it may."""

IMPURE = {"socket", "_socket", "ssl", "select", "selectors", "asyncio", "threading", "time"}
"""What the protocol has no use for: it is bytes in and events out."""

BUNDLED = 3
BUNDLED_MAY_IMPORT = {"filters.base", "filters"}


def name_of(path: Path) -> str:
    """A file's module name within the package; the package itself is ""."""
    return (
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")
    )


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def floor_of(module: str) -> int:
    if module in PACKAGE_FILES:
        return PACKAGE_FILES[module]
    return FLOORS.get(module, FLOORS.get(module.split(".")[0], TOP))


def imported(
    module: str, source: str, known: Collection[str], *, is_package: bool = False
) -> Iterator[str]:
    """The full names of the modules that `source` imports anywhere, type checking included."""
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


def may_import_bundled(inner: str) -> bool:
    """Whether a bundled filter, which is a page that users copy, may import this."""
    return inner in BUNDLED_MAY_IMPORT or (inner.startswith("filters.") and floor_of(inner) == 3)


def violations(
    module: str, source: str, known: Collection[str], *, is_package: bool = False
) -> list[str]:
    """What `module` of the package must not import, and does."""
    floor, wrong = floor_of(module), []
    is_bundled = floor == BUNDLED and module.startswith("filters.")
    allowed = sys.stdlib_module_names | set[str]().union(*OTHERS[: floor + 1])
    for name in imported(module, source, known, is_package=is_package):
        first, _, inner = name.partition(".")
        if first != PACKAGE:
            if first not in allowed:
                wrong.append(name)
        elif floor_of(inner) > floor or (is_bundled and not may_import_bundled(inner)):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("module", MODULES)
def test_a_file_imports_from_its_own_floor_and_below_alone(module: str) -> None:
    path = MODULES[module]
    source = path.read_text("utf-8")
    assert violations(module, source, MODULES, is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("protocol.")])
def test_the_protocol_knows_no_socket_and_no_clock(module: str) -> None:
    source = MODULES[module].read_text("utf-8")
    assert {name.split(".")[0] for name in imported(module, source, MODULES)}.isdisjoint(IMPURE)


def test_to_import_the_package_imports_neither_gevent_nor_flask() -> None:
    script = "import sys, fws_gevent; print({'gevent', 'flask', 'socket'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_every_file_of_the_table_is_there() -> None:
    assert set(FLOORS) <= set(MODULES)
    assert len(MODULES) > len(FLOORS)


@pytest.mark.parametrize(
    ("module", "floor"),
    [
        ("", 4),
        ("protocol.frames", 0),
        ("filters", 1),
        ("filters.base", 1),
        ("storage.memory", 1),
        ("storage.redis", 2),
        ("storage.elsewhere", 4),
        ("node.node", 2),
        ("filters.stdout_messages", 3),
        ("server", 4),
        ("__main__", 4),
    ],
)
def test_a_module_has_its_floor(module: str, floor: int) -> None:
    assert floor_of(module) == floor


KNOWN = ("", "errors", "signals", "settings", "server", "handler", "protocol", "protocol.frames",
         "filters", "filters.base", "filters.chain", "filters.one", "filters.two", "storage.base",
         "loop", "node.node", "loop.wheel")  # fmt: skip


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
        ("settings", "from .protocol import frames\nfrom .filters.base import Call", []),
        ("settings", "from fws_gevent.loop import wheel", ["fws_gevent.loop.wheel"]),
        ("settings", "import gevent", ["gevent"]),
        ("filters.chain", "from .base import Call\nfrom .. import signals", []),
        ("filters.chain", "from .one import One", ["fws_gevent.filters.one"]),
        ("loop.wheel", "from .server import Server\nimport gevent, greenlet", []),
        ("loop.wheel", "from ..handler import Handler", ["fws_gevent.handler"]),
        (
            "loop.wheel",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..server import S",
            ["fws_gevent.server"],
        ),
        ("loop.wheel", "import flask", ["flask"]),
        ("filters.one", "from .base import FilterBase\nfrom .two import Two\nimport re", []),
        ("filters.one", "from ..errors import CloseCode", ["fws_gevent.errors"]),
        ("filters.one", "from .chain import Chain", ["fws_gevent.filters.chain"]),
        ("filters.one", "from ..node.node import Server", ["fws_gevent.node.node"]),
        ("server", "from .handler import H\nimport gunicorn, flask, geventwebsocket.handler", []),
        ("web.metrics", "import redis", ["redis"]),
    ],
)
def test_an_import_upwards_or_from_outside_is_found(
    module: str, source: str, wrong: list[str]
) -> None:
    assert violations(module, source, KNOWN) == wrong


def test_a_packages_own_file_is_read_as_one() -> None:
    source = "from .wheel import Wheel\nfrom ..server import build_server"
    assert violations("loop", source, KNOWN, is_package=True) == ["fws_gevent.server"]
    source = "from .one import One\nfrom .base import FilterBase"
    assert violations("filters", source, KNOWN, is_package=True) == ["fws_gevent.filters.one"]


def test_gunicorn_may_patch_after_it_imported_our_worker() -> None:
    # gunicorn imports the worker's class first, and ssl before that. What the application imports
    # then comes after gevent's patches, which warn of modules that came too early.
    code = "import ssl, fws_gevent.worker; from gevent import monkey; monkey.patch_all()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == ""
