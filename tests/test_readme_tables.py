"""The tables and lists of README.md and docs/filters.md are complete, and all names exist."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from fws_gevent import FilteredWebSocket, signals
from fws_gevent.cli.flask_commands import fws
from fws_gevent.connection.connection import Connection
from fws_gevent.filters.base import FilterBase
from fws_gevent.node.events import BUSES

from .clients import ROOT
from .test_docs_operations import cells
from .test_readme import FILTERS, README

FOLDER = ROOT / "fws_gevent" / "filters"
NO_FILTERS = {"__init__", "base", "chain", "registry", "results"}


def section(title: str) -> str:
    """Return the text under a heading of docs/filters.md."""
    found = re.search(rf"^##+ {title}\n(.*?)(?=^## )", FILTERS, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_all_bundled_filters_are_listed_and_are_filters() -> None:
    listed = [name for row in cells(section("Bundled filters")) for name in names_in(row[0])]
    assert set(listed) == {path.stem for path in FOLDER.glob("*.py")} - NO_FILTERS
    for name in listed:
        module = importlib.import_module(f"fws_gevent.filters.{name}")
        classes = [each for each in vars(module).values() if inspect.isclass(each)]
        assert any(issubclass(each, FilterBase) for each in classes), name


def test_the_chains_and_their_buses_are_those_of_a_server() -> None:
    rows = [row for row in cells(section("The six chains")) if row[0].startswith("`WebSocket")]
    listed = {names_in(row[0])[0]: names_in(row[-1])[0] for row in rows}
    assert listed == {base.__name__: _named(bus) for _, bus, base in BUSES}


def _named(bus: signals.Bus) -> str:
    (name,) = [name for name, each in vars(signals).items() if each is bus]
    return name


@pytest.mark.parametrize(
    ("page", "begins", "of"),
    [(FILTERS, "On `web_socket_instance` you find ", Connection),
     (README, "In views, `fws` has ", FilteredWebSocket)],
)  # fmt: skip
def test_the_names_for_filters_and_views_exist_with_these_parameters(
    page: str, begins: str, of: type
) -> None:
    found = re.search(re.escape(begins) + r"(.*?)\.\s", page, re.DOTALL)
    assert found is not None
    for each in names_in(found[1]):
        name, _, parameters = each.partition("(")
        member = getattr(of, name, None)
        if member is None:  # set for each connection when it begins
            assert name in inspect.getsource(of), name
            continue
        taken = inspect.signature(member).parameters if parameters else {}
        for parameter in re.findall(r"\w+", re.sub(r"=\S+| or ", " ", parameters)):
            assert parameter in taken, each


def test_all_commands_are_listed() -> None:
    rows = [row[0] for row in cells(README) if row[0].startswith("`flask fws ")]
    named = [name.removeprefix("flask fws ") for row in rows for name in names_in(row)]
    assert {name.split()[0] for name in named} == set(fws.commands)
