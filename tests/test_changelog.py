"""CHANGELOG.md has the form of Keep a Changelog 1.1.0."""

from __future__ import annotations

import re
from collections import Counter

from .clients import ROOT

TEXT = (ROOT / "CHANGELOG.md").read_text("utf-8")
SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_it_begins_with_the_unreleased_changes() -> None:
    assert TEXT.startswith("# Changelog\n")
    assert re.findall(r"^## (.*)$", TEXT, re.MULTILINE)[0] == "[Unreleased]"


def test_each_version_has_the_six_sections_alone_in_their_order_and_each_once() -> None:
    for version in TEXT.split("\n## ")[1:]:
        found = re.findall(r"^### (.*)$", version, re.MULTILINE)
        assert found == [each for each in SECTIONS if each in found], version[:20]


def test_each_entry_is_there_once_and_below_a_section() -> None:
    head, *versions = TEXT.split("\n### ")
    assert not re.search(r"^- ", head, re.MULTILINE)
    entries = Counter(re.findall(r"^- .*$", "\n".join(versions), re.MULTILINE))
    assert [entry for entry, count in entries.items() if count > 1] == []
