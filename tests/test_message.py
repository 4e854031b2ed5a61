"""The `data` of message filters."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.errors import TextNotUTF8
from fws_gevent.message import (
    BinaryMessage,
    Message,
    check_text,
    checked_message,
    encode_text,
)

Kind = Callable[[bytes], Message]
KINDS = [(Message, Message), (checked_message, Message), (BinaryMessage, BinaryMessage)]
"""The kind of a message and of its methods' results: texts are checked again before sending."""


@settings(deadline=None)
@given(st.text())
def test_a_text_message_is_its_text_in_utf8(text: str) -> None:
    message = Message(text.encode())
    assert message.text == text
    assert str(message) == text
    assert bytes(message) == text.encode()


@settings(deadline=None)
@given(st.text(), st.text())
def test_a_message_compares_with_str_as_its_text_does(text: str, other: str) -> None:
    message = Message(text.encode())
    assert message == text
    assert text == message
    for compare in (operator.eq, operator.ne, operator.contains):
        assert compare(message, text) is compare(text, text)
        assert compare(message, other) is compare(text, other)


@pytest.mark.parametrize("other", [b"abc", bytearray(b"abc"), memoryview(b"abc"), Message(b"abc")])
def test_a_message_compares_with_bytes_of_every_kind(other: object) -> None:
    assert Message(b"abc") == other
    assert operator.ne(Message(b"abc"), other) is False
    assert Message(b"abd") != other


@pytest.mark.parametrize("other", [None, 5, ["abc"], object()])
def test_a_message_differs_from_values_that_are_neither_text_nor_bytes(other: object) -> None:
    assert Message(b"abc") != other
    assert operator.eq(Message(b"abc"), other) is False


@pytest.mark.parametrize("part", ["b", b"b", 0x62, "", "é"])
def test_a_part_of_a_message_may_be_text_bytes_or_a_byte(part: object) -> None:
    assert part in Message("abé".encode())


@pytest.mark.parametrize("part", ["x", b"x", 0x78, "ba"])
def test_a_missing_part_is_not_found(part: object) -> None:
    assert part not in Message("abé".encode())


def test_a_filter_may_change_a_message_in_place() -> None:
    message = seen = Message(b"abc")
    message += b"d"
    message[0:1] = b"A"
    assert seen is message
    assert seen == "Abcd"
    assert type(seen) is Message


def test_setting_the_text_replaces_the_bytes_in_place() -> None:
    message = seen = Message(b"abc")
    message.text = "é"
    assert bytes(seen) == "é".encode()


def test_text_of_bytes_that_are_not_utf8_is_an_error_but_str_shows_them() -> None:
    message = BinaryMessage(b"a\xff")
    with pytest.raises(UnicodeDecodeError):
        _ = message.text
    assert str(Message(b"a\xff")) == "a\\xff"


def test_a_text_with_a_lone_surrogate_compares_without_an_error() -> None:
    assert Message(b"abc") != "\ud800"
    assert not operator.contains(Message(b"abc"), "\ud800")


def test_binary_distinguishes_the_two_kinds() -> None:
    assert not Message(b"abc").binary
    assert BinaryMessage(b"abc").binary
    assert isinstance(BinaryMessage(b"abc"), Message)


def test_a_binary_message_shows_as_bytes_literal() -> None:
    assert str(BinaryMessage(b"a\x00")) == "b'a\\x00'"


@pytest.mark.parametrize("kind", [Message, BinaryMessage])
def test_a_message_is_a_bytearray_and_unhashable(kind: type[Message]) -> None:
    assert isinstance(kind(b""), bytearray)
    with pytest.raises(TypeError, match="unhashable"):
        hash(kind(b""))


def test_a_message_carries_no_dict() -> None:
    assert not hasattr(BinaryMessage(b""), "__dict__")


RETURNING: dict[str, tuple[Any, ...]] = {
    "__add__": (b"d",), "__mul__": (2,), "__rmul__": (2,), "__mod__": ((),),
    "__getitem__": (slice(1, None),), "capitalize": (), "center": (9,), "copy": (),
    "expandtabs": (), "join": ([b"x", b"y"],), "ljust": (9,), "lower": (), "lstrip": (),
    "partition": (b"b",), "removeprefix": (b"a",), "removesuffix": (b"c",),
    "replace": (b"a", b"b"), "rjust": (9,), "rpartition": (b"b",), "rsplit": (b"b",),
    "rstrip": (), "split": (b"b",), "splitlines": (), "strip": (), "swapcase": (), "title": (),
    "translate": (None,), "upper": (), "zfill": (9,),
}  # fmt: skip
CHANGING: dict[str, tuple[Any, ...]] = {
    "__delitem__": (0,), "__iadd__": (b"d",), "__imul__": (2,), "__setitem__": (0, 65),
    "append": (65,), "clear": (), "extend": (b"d",), "insert": (0, 65), "pop": (),
    "remove": (97,), "reverse": (),
}  # fmt: skip
if hasattr(bytearray, "resize"):  # since Python 3.14
    CHANGING["resize"] = (2,)
OTHERS = {
    "__alloc__", "__contains__", "__eq__", "__ge__", "__getattribute__", "__gt__", "__hash__",
    "__init__", "__iter__", "__le__", "__len__", "__lt__", "__ne__", "__new__", "__reduce__",
    "__reduce_ex__", "__repr__", "__rmod__", "__sizeof__", "__str__", "__doc__", "__buffer__",
    "__release_buffer__", "count", "decode", "endswith", "find", "fromhex", "hex", "index",
    "isalnum", "isalpha", "isascii", "isdigit", "islower", "isspace", "istitle", "isupper",
    "maketrans", "rfind", "rindex", "startswith",
}  # fmt: skip


def test_every_method_of_bytearray_is_covered() -> None:
    assert set(vars(bytearray)) <= {*RETURNING, *CHANGING, *OTHERS}


@pytest.mark.parametrize(("kind", "kept"), KINDS)
@pytest.mark.parametrize(("name", "arguments"), RETURNING.items())
def test_results_of_methods_have_the_kind_of_the_message(
    name: str, arguments: tuple[Any, ...], kind: Kind, kept: type[Message]
) -> None:
    plain = getattr(bytearray(b"abc"), name)(*arguments)
    given = getattr(kind(b"abc"), name)(*arguments)
    assert given == plain
    if isinstance(plain, bytearray):
        assert type(given) is kept
    else:
        assert type(given) is type(plain)
        assert {type(part) for part in given} == {kept}


@pytest.mark.parametrize(("kind", "kept"), KINDS)
@pytest.mark.parametrize(("name", "arguments"), CHANGING.items())
def test_a_message_that_is_changed_in_place_stays_the_same_and_a_text_is_unchecked(
    name: str, arguments: tuple[Any, ...], kind: Kind, kept: type[Message]
) -> None:
    plain, message = bytearray(b"abc"), kind(b"abc")
    assert getattr(message, name)(*arguments) == getattr(plain, name)(*arguments)
    assert message == plain
    assert type(message) is kept


@pytest.mark.parametrize(("kind", "kept"), KINDS)
def test_a_text_that_is_set_is_unchecked(kind: Kind, kept: type[Message]) -> None:
    message = kind(b"abc")
    message.text = "\u00e9"
    assert type(message) is kept


@pytest.mark.parametrize(("kind", "kept"), KINDS)
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda message: pickle.loads(pickle.dumps(message))]
)
def test_a_copy_has_its_kind(
    again: Callable[[Message], Message], kind: Kind, kept: type[Message]
) -> None:
    message = kind(b"abc")
    copied = again(message)
    assert type(copied) is kept
    assert copied == message
    copied += b"d"
    assert message == b"abc"


@pytest.mark.parametrize(
    "again",
    [
        lambda message: type(message)(b"\xff"),
        lambda message: message.__class__(bytearray(b"\xff")),
        lambda message: message.fromhex("ff"),
        lambda message: type(message).fromhex("ff"),
    ],
)
def test_a_text_made_by_the_class_of_a_checked_text_is_unchecked(
    again: Callable[[Message], Message],
) -> None:
    made = again(checked_message(b"abc"))
    assert type(made) is Message
    with pytest.raises(TextNotUTF8):
        check_text(made)


def test_operators_and_keywords_work_as_those_of_bytearray() -> None:
    message = checked_message("gr\u00fc\u00dfe an alle".encode())
    assert (message[0], message[-1]) == (ord("g"), ord("e"))
    assert str(message.split(maxsplit=1)[1]) == "an alle"
    assert str(message + b"!").endswith("alle!")
    assert str(2 * Message(b"ab")) == "abab"
    assert str(Message(b"%d of %d") % (1, 2)) == "1 of 2"
    message += b"!"
    assert message.text.endswith("!")
    with pytest.raises(TypeError):
        _ = Message(b"a") + "b"  # type: ignore[operator]


@pytest.mark.parametrize("bad", [b"\xff", b"abc\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_a_text_that_is_not_utf8_is_found_and_the_error_says_where(bad: bytes) -> None:
    for payload in (bad, bytearray(bad), Message(bad)):
        with pytest.raises(TextNotUTF8, match=rf"at byte {bad.find(b'c') + 1} of {len(bad)}"):
            check_text(payload)


def test_a_text_with_a_lone_surrogate_is_not_encoded() -> None:
    assert encode_text("\u00e9") == "\u00e9".encode()
    with pytest.raises(TextNotUTF8, match="surrogates not allowed at character 2"):
        encode_text("ab\ud800")
