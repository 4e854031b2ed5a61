"""All pages of the documentation: their links, lengths, and the files that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.reference import PUBLIC

from .clients import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
}


def prose(path: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_a_file_and_a_heading_in_it(name: str) -> None:
    page = PAGES[name]
    for target, anchor in re.findall(r"\]\((?!https:)([^)#]*)#?([^)]*)\)", prose(page)):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), (target, anchor)


@pytest.mark.parametrize("name", sorted(set(PAGES) - {"CHANGELOG.md"}))
def test_lines_outside_of_tables_and_code_are_short(name: str) -> None:
    lines = prose(PAGES[name]).splitlines()
    assert not [each for each in lines if len(each) > 120 and not each.startswith("|")]


def test_the_readme_links_to_each_page() -> None:
    text = PAGES["README.md"].read_text("utf-8")
    assert [name for name in PAGES if f"]({name})" not in text] == ["README.md"]


def test_the_compatibility_policy_names_the_modules_of_the_reference() -> None:
    text = PAGES["docs/compatibility.md"].read_text("utf-8")
    [modules] = re.findall(r"these modules export: (.*?)\. ", text, re.DOTALL)
    assert re.findall(r"`([\w.]+)`", modules) == list(PUBLIC)
