"""The names that the package exports, and when they are imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fws_gevent
from fws_gevent import errors
from fws_gevent.errors import FwsError


@pytest.mark.parametrize("name", fws_gevent.__all__)
def test_each_exported_name_can_be_had(name: str) -> None:
    assert getattr(fws_gevent, name) is not None


def test_each_name_is_listed_before_it_is_imported() -> None:
    code = "import fws_gevent; print(set(fws_gevent.__all__) <= set(dir(fws_gevent)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_type_checkers_see_the_names_that_are_imported_at_their_use() -> None:
    tree = ast.parse(Path(fws_gevent.__file__).read_text("utf-8"))
    seen = {
        (alias.asname or alias.name)
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == set(fws_gevent._HOMES)


def test_all_errors_are_exported() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    found = {each.__name__ for each in kinds if issubclass(each, FwsError)}
    assert len(found) > 20
    assert found <= set(fws_gevent.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    package: Any = fws_gevent
    with pytest.raises(AttributeError, match=r"'fws_gevent' has no attribute 'nothing'"):
        _ = package.nothing
