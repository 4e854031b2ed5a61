"""The pages about the code name its folders and files: all of them, and only existing ones."""

from __future__ import annotations

import re

import pytest

from .clients import ROOT
from .test_docs_operations import cells
from .test_docs_pages import PAGES
from .test_layout import ROWS

PACKAGE = ROOT / "fws_gevent"
PAGE = PAGES["docs/architecture.md"].read_text("utf-8")


def named(cell: str) -> list[str]:
    """Return the names between backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_of_folders_is_that_of_the_layout() -> None:
    rows = [row for row in cells(PAGE) if len(row) == 3]
    found = {named(row[0])[0].rstrip("/"): row[2] for row in rows}
    packages = {name: ", ".join(sorted(each)) for name, each in ROWS.items() if name}
    assert list(found.items()) == list(packages.items())


def test_a_row_ends_with_a_slash_if_it_is_a_folder() -> None:
    rows = [named(row[0])[0] for row in cells(PAGE) if len(row) == 3]
    assert [name for name in rows if (PACKAGE / name).is_dir() != name.endswith("/")] == []


@pytest.mark.parametrize("name", sorted(PAGES))
def test_each_file_and_folder_named_with_its_path_exists(name: str) -> None:
    text = re.sub(r"^```(?!mermaid).*?^```", "", PAGES[name].read_text("utf-8"), flags=re.M | re.S)
    paths = re.findall(r"(?<![\w/.:-])(\w[\w/]*/\w+\.(?:py|lua|js|html))\b", text)
    paths += re.findall(r"`(\w[\w/]*)/`", text)
    missing = {path for path in paths if not any((at / path).exists() for at in (PACKAGE, ROOT))}
    assert missing <= {"example_app/static", "build/reference", "programs"}


def test_the_table_of_redis_internals_has_each_file_of_the_cluster_once() -> None:
    text = PAGES["docs/redis_internals.md"].read_text("utf-8")
    files = [name for row in cells(text) for name in named(row[0])]
    real = {path.stem for path in (PACKAGE / "cluster").glob("*.py")} - {"__init__"}
    assert sorted(files) == sorted(real)


@pytest.mark.parametrize("question", ["closing handshake", "replayed", "token", "Flask", "setting"])
def test_a_table_says_where_things_are(question: str) -> None:
    rows = [row for row in cells(PAGE) if len(row) == 2 and question in row[0]]
    assert rows
    assert named(rows[0][1])
