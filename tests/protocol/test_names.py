"""The rules for names of groups, and the errors for invalid ones."""

from __future__ import annotations

import sys
import unicodedata
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent import FwsError, GroupNameInvalid
from fws_gevent.protocol.names import LONGEST_NAME, checked_group

NAMES = ("a", "room:1", "*", "{a}%", " ", "a" * 255, "é" * 127 + "a", "grüße", "\N{SNOWMAN}",
         "\U0001f600", "\u2028", "\xa0")  # fmt: skip

NO_NAMES: tuple[tuple[Any, str], ...] = (
    (None, "must be a str, not NoneType"),
    (True, "must be a str, not bool"),
    (5, "must be a str, not int"),
    (1.5, "must be a str, not float"),
    (b"room", "must be a str, not bytes"),
    (["room"], "must be a str, not list"),
    ({"room": 1}, "must be a str, not dict"),
    ("", "must have 1 to 255 bytes of UTF-8, it has 0"),
    ("a" * 256, "must have 1 to 255 bytes of UTF-8, it has at least 256"),
    ("é" * 128, "must have 1 to 255 bytes of UTF-8, it has 256"),
    ("\ud800", "must be valid Unicode: character 0 is a lone surrogate"),
    ("room \udfff", "must be valid Unicode: character 5 is a lone surrogate"),
    ("\x00", "must have no control characters: character 0 is U+0000"),
    ("two\nlines", "must have no control characters: character 3 is U+000A"),
    ("\x7f", "must have no control characters: character 0 is U+007F"),
    ("ü\x85", "must have no control characters: character 1 is U+0085"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_of_1_to_255_bytes_without_control_characters_is_a_name(name: str) -> None:
    assert checked_group(name) == name


@pytest.mark.parametrize(("value", "why"), NO_NAMES, ids=range(len(NO_NAMES)))
def test_other_names_are_refused_with_the_reason(value: Any, why: str) -> None:
    with pytest.raises(GroupNameInvalid) as caught:
        checked_group(value)
    assert str(caught.value) == f"a group's name {why}"
    assert caught.value.notice == f"Error: a group's name {why}"
    assert isinstance(caught.value, FwsError)
    assert isinstance(caught.value, ValueError)


@settings(deadline=None)
@given(
    st.text(st.characters(), max_size=80) | st.text(st.sampled_from("aé\ud800\n\x9f"), max_size=9)
)
def test_a_name_is_valid_by_its_bytes_and_categories(value: str) -> None:
    good = (
        0 < len(value.encode("utf-8", "surrogatepass")) <= LONGEST_NAME
        and {unicodedata.category(each) for each in value}.isdisjoint({"Cc", "Cs"})
    )  # fmt: skip
    try:
        checked = checked_group(value) == value
    except GroupNameInvalid:
        checked = False
    assert checked is good


def test_every_control_character_of_unicode_is_refused() -> None:
    found = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) == "Cc":
            found.append(code)
            with pytest.raises(GroupNameInvalid, match="control character"):
                checked_group(f"a{chr(code)}")
    assert len(found) == 65


def test_a_kind_of_str_is_the_plain_text_that_it_holds() -> None:
    class Room(str, Enum):  # noqa: UP042 - as older code has it
        KITCHEN = "kitchen"
        CAFE = "café"

    for room, text in ((Room.KITCHEN, "kitchen"), (Room.CAFE, "café")):
        name = checked_group(room)
        assert type(name) is str
        assert f"{name}" == text
