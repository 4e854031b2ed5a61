"""The conversion of data that an application sends to payloads and frames."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.errors import TextNotUTF8
from fws_gevent.message import BinaryMessage, Message, checked_message
from fws_gevent.protocol.frames import BINARY, FIN, RSV1, TEXT, encode
from fws_gevent.protocol.payload import as_text_if_utf8, convert, frame_for


class Text(str):
    """A subclass of str."""


class Bytes(bytes):
    """A subclass of bytes."""


class Special(Message):
    """A subclass of Message."""


@pytest.mark.parametrize(
    ("data", "opcode", "payload"),
    [
        ("é", TEXT, "é".encode()),
        ("", TEXT, b""),
        (Text("é"), TEXT, "é".encode()),
        (b"\xff", BINARY, b"\xff"),
        (b"text", BINARY, b"text"),
        (Bytes(b"\xff"), BINARY, b"\xff"),
        (bytearray(b"\xff"), BINARY, b"\xff"),
        (memoryview(b"\xff"), BINARY, b"\xff"),
        (memoryview(b"abcd")[::2], BINARY, b"ac"),
        (Message(b"text"), TEXT, b"text"),
        (Special(b"text"), TEXT, b"text"),
        (checked_message("é".encode()), TEXT, "é".encode()),
        (Message("é".encode()), TEXT, "é".encode()),
        (BinaryMessage(b"\xff"), BINARY, b"\xff"),
    ],
)
def test_text_goes_as_text_bytes_as_binary_and_a_message_as_it_came(
    data: Any, opcode: int, payload: bytes
) -> None:
    made = convert(data)
    assert made == (opcode, payload)
    assert isinstance(made[1], bytes | bytearray)


@pytest.mark.parametrize("data", [None, 5, 1.5, True, ["a"], {"a": 1}, object(), str, b"".join])
def test_anything_else_can_not_be_sent_and_the_error_names_its_type(data: Any) -> None:
    with pytest.raises(TypeError, match=type(data).__name__):
        convert(data)


@pytest.mark.parametrize(
    "data", [Message(b"a\xff"), Special(b"\xe2\x82"), "\ud800", Text("\udfff")]
)
def test_a_text_that_clients_must_not_take_can_not_be_sent(data: Any) -> None:
    with pytest.raises(TextNotUTF8):
        convert(data)


@settings(deadline=None)
@given(st.binary(max_size=3000), st.sampled_from([TEXT, BINARY]))
def test_without_deflate_a_frame_is_the_payload_as_it_is(payload: bytes, opcode: int) -> None:
    assert frame_for(opcode, payload, 0) == encode(opcode, payload)


@pytest.mark.parametrize("window_bits", range(9, 16))
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_with_deflate_a_large_payload_is_compressed_in_its_window(
    opcode: int, window_bits: int
) -> None:
    payload = b"the same again and again " * 40
    frame = frame_for(opcode, payload, window_bits)
    assert frame[0] == FIN | RSV1 | opcode
    assert frame[1] == len(frame) - 2
    inflater = zlib.decompressobj(-window_bits)
    assert inflater.decompress(frame[2:] + b"\x00\x00\xff\xff") == payload


@pytest.mark.parametrize(
    ("payload", "window_bits"),
    [(b"a" * 20, 15), (bytes(range(256)), 15), (b"a" * 1000, 8), (b"", 15)],
)
def test_a_payload_that_does_not_shrink_is_not_marked_as_compressed(
    payload: bytes, window_bits: int
) -> None:
    assert frame_for(TEXT, payload, window_bits) == encode(TEXT, payload)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_that_are_utf8_become_text_and_others_stay(kind: Any) -> None:
    assert as_text_if_utf8(kind("é€".encode())) == "é€"
    other = kind(b"\xff")
    assert as_text_if_utf8(other) is other


@pytest.mark.parametrize("data", ["text", Message(b"text"), BinaryMessage(b"text")])
def test_text_and_messages_stay_as_they_are(data: Any) -> None:
    assert as_text_if_utf8(data) is data
