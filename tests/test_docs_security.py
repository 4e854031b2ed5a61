"""The page docs/security.md agrees with the code and a real command."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.connection import inbound
from fws_gevent.settings import default_of, table

from .cli.test_command import ECHO
from .clients import ROOT
from .test_docs_operations import cells
from .test_docs_redis import run
from .test_readme import blocks

TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
DEFAULTS = {each.name: default_of(each) for each in table()}
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20}


def settings_of_the_tables() -> Iterator[tuple[str, str]]:
    """Yield each setting in a table of threats, with the default after it."""
    for row in cells(TEXT):
        if len(row) != 3:
            continue
        for names, default in re.findall(r"((?:`[a-z_]+`(?:, )?)+) \(([^)]*)\)", row[2]):
            for name in re.findall(r"`([a-z_]+)`", names) if "each" in default else [
                re.findall(r"`([a-z_]+)`", names)[-1]
            ]:  # fmt: skip
                yield name, default


def value_of(said: str) -> Any:
    """Return the value of a text such as "1 MiB", "50/s" or "none"."""
    if said in ("none", "no bound"):
        return said
    found = re.match(r"([\d,.]+) ?(KiB|MiB)?", said)
    return float(found[1].replace(",", "")) * UNITS.get(found[2], 1) if found else said


@pytest.mark.parametrize(("name", "said"), [*settings_of_the_tables()])
def test_the_defaults_in_the_tables_hold(name: str, said: str) -> None:
    expected = value_of(said)
    default = DEFAULTS[name]
    if expected == "none":
        assert not default
    elif expected == "no bound":
        assert default == 0
    else:
        assert default == expected


def test_the_tables_name_many_settings() -> None:
    assert len({name for name, _ in settings_of_the_tables()}) > 15


def test_what_is_to_be_set_before_it_is_public_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "my_filters.py").write_text(ECHO)
    assert run(blocks("sh", TEXT)[0], tmp_path, 0) == "fws_server: the settings are valid\n"


def test_nothing_that_is_carried_is_unpickled() -> None:
    unsafe = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for path in (ROOT / "fws_gevent").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not unsafe & {name.partition(".")[0] for name in names}, path
            assert not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("eval", "exec"))


def test_a_turn_has_as_many_units_as_it_says() -> None:
    assert f"after {inbound._SLICE} units of work" in TEXT
