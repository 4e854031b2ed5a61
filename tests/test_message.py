"""What a message filter gets as `data`."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.message import BinaryMessage, Message


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
def test_a_message_differs_from_what_is_no_text_and_no_bytes(other: object) -> None:
    assert Message(b"abc") != other
    assert operator.eq(Message(b"abc"), other) is False


@pytest.mark.parametrize("part", ["b", b"b", 0x62, "", "é"])
def test_a_part_of_a_message_may_be_text_bytes_or_a_byte(part: object) -> None:
    assert part in Message("abé".encode())


@pytest.mark.parametrize("part", ["x", b"x", 0x78, "ba"])
def test_what_is_not_in_a_message_is_not_found(part: object) -> None:
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


def test_binary_tells_the_two_kinds_apart() -> None:
    assert not Message(b"abc").binary
    assert BinaryMessage(b"abc").binary
    assert isinstance(BinaryMessage(b"abc"), Message)


def test_a_binary_message_shows_as_bytes_literal() -> None:
    assert str(BinaryMessage(b"a\x00")) == "b'a\\x00'"


@pytest.mark.parametrize("kind", [Message, BinaryMessage])
def test_a_message_is_a_bytearray_that_no_set_takes(kind: type[Message]) -> None:
    assert isinstance(kind(b""), bytearray)
    with pytest.raises(TypeError, match="unhashable"):
        hash(kind(b""))


def test_a_message_carries_no_dict() -> None:
    assert not hasattr(BinaryMessage(b""), "__dict__")
