"""Frames against another implementation, the library `websockets`; Close frames and their codes."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets import frames as ws
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol, Side

from fws_gevent.errors import CloseCode
from fws_gevent.message import Message
from fws_gevent.protocol.deflate import compress
from fws_gevent.protocol.frames import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Close,
    Fault,
    encode,
    encode_close,
    is_close_code,
    parse_close,
)
from fws_gevent.protocol.receiver import Limits, Receiver

from .streams import kind_of

Seen = tuple[str, Any]
NAMES = {TEXT: "Message", BINARY: "BinaryMessage", PING: "Ping", PONG: "Pong"}


NO_TAKEOVER = partial(
    PerMessageDeflate,
    remote_no_context_takeover=True,
    local_no_context_takeover=True,
    remote_max_window_bits=15,
    local_max_window_bits=15,
)


def peer(side: Side, *, deflate: bool) -> Protocol:
    """Return an open connection of the other implementation."""
    protocol = Protocol(side, max_size=None)
    if deflate:
        protocol.extensions = [NO_TAKEOVER()]
    return protocol


def frames_of(protocol: Protocol, data: bytes) -> list[ws.Frame]:
    protocol.receive_data(data)
    assert protocol.parser_exc is None
    return [event for event in protocol.events_received() if isinstance(event, ws.Frame)]


def assembled(frames: list[ws.Frame]) -> list[Seen]:
    """Messages and control frames, in the order in which they are whole."""
    seen: list[Seen] = []
    opcode, parts = 0, b""
    for frame in frames:
        if frame.opcode in (ws.Opcode.PING, ws.Opcode.PONG):
            seen.append((NAMES[frame.opcode], bytes(frame.data)))
            continue
        opcode, parts = frame.opcode or opcode, parts + bytes(frame.data)
        if frame.fin:
            seen.append((NAMES[opcode], parts))
            parts = b""
    return seen


def received(data: bytes, cuts: list[int], *, deflate: bool) -> list[Seen]:
    receiver, seen = Receiver(Limits(), deflate=deflate), []
    for start, end in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        for event in receiver.feed(data[start:end], end - start):
            payload = event if isinstance(event, Message) else event[0]
            seen.append((kind_of(event), bytes(payload)))
    return seen


CONTROL = st.builds(
    ws.Frame, st.sampled_from([ws.Opcode.PING, ws.Opcode.PONG]), st.binary(max_size=125)
)
PAYLOAD = st.one_of(
    st.text().map(str.encode),
    st.builds(lambda part, times: part.encode() * times, st.text(max_size=9), st.integers(0, 9000)),
)


@st.composite
def messages(draw: st.DrawFn) -> list[ws.Frame]:
    """Draw the frames of one message, cut anywhere, with control frames among them."""
    payload, opcode = draw(PAYLOAD), draw(st.sampled_from([ws.Opcode.TEXT, ws.Opcode.BINARY]))
    cuts = sorted(min(cut, len(payload)) for cut in draw(st.lists(st.integers(0, 300), max_size=4)))
    frames: list[ws.Frame] = []
    for start, end in pairwise([0, *cuts, len(payload)]):
        if frames:
            frames += draw(st.lists(CONTROL, max_size=1))
        kind = ws.Opcode.CONT if frames else opcode
        frames.append(ws.Frame(kind, payload[start:end], fin=False))
    frames[-1].fin = True
    return frames


@settings(deadline=None, max_examples=100)
@given(st.lists(messages(), max_size=4), st.booleans(), st.lists(st.integers(0, 2000), max_size=6))
def test_a_valid_stream_gives_the_events_of_the_other_implementation(
    stream: list[list[ws.Frame]], deflate: bool, cuts: list[int]
) -> None:
    client = peer(Side.CLIENT, deflate=deflate)
    frames = [frame for message in stream for frame in message]
    data = b"".join(frame.serialize(mask=True, extensions=client.extensions) for frame in frames)
    expected = assembled(frames_of(peer(Side.SERVER, deflate=deflate), data))
    assert expected == assembled(frames)
    assert received(data, cuts, deflate=deflate) == expected


SIZES = st.sampled_from([0, 1, 125, 126, 127, 65535, 65536, 65537])


@settings(deadline=None)
@given(st.sampled_from([TEXT, BINARY]), st.one_of(SIZES, st.integers(0, 70000)))
def test_a_frame_is_encoded_as_by_the_other_implementation(opcode: int, size: int) -> None:
    payload = b"a" * size
    made = ws.Frame(ws.Opcode(opcode), payload).serialize(mask=False)
    assert encode(opcode, payload) == made
    assert encode(opcode, bytearray(payload)) == made
    assert type(encode(opcode, bytearray(payload))) is bytes


@pytest.mark.parametrize("fin", [False, True])
@pytest.mark.parametrize("opcode", [PING, PONG, TEXT, BINARY, 0])
def test_the_first_byte_is_flags_and_opcode(opcode: int, fin: bool) -> None:
    flags = FIN if fin else 0
    for size in (3, 300, 70000):
        assert encode(opcode, bytes(size), flags)[0] == flags | opcode
        assert encode(opcode, bytes(size), flags | RSV1)[0] == flags | RSV1 | opcode


@settings(deadline=None)
@given(st.text(min_size=1, max_size=9), st.integers(70, 2000))
def test_the_other_implementation_inflates_a_compressed_message(part: str, times: int) -> None:
    payload = part.encode() * times
    squeezed = compress(payload, 15)
    assert squeezed is not None
    (frame,) = frames_of(peer(Side.CLIENT, deflate=True), encode(TEXT, squeezed, FIN | RSV1))
    assert (frame.opcode, bytes(frame.data), frame.fin) == (ws.Opcode.TEXT, payload, True)


SENT = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def test_the_codes_that_a_close_may_carry_are_those_of_the_registry() -> None:
    assert {code for code in range(65536) if is_close_code(code)} == SENT


@pytest.mark.parametrize("code", [code for code in CloseCode if code not in (1005, 1006)])
def test_every_close_code_of_the_catalogue_may_be_sent_and_read(code: CloseCode) -> None:
    made = encode_close(code, code.meaning)
    assert made == ws.Frame(ws.Opcode.CLOSE, ws.Close(code, code.meaning).serialize()).serialize(
        mask=False
    )
    assert parse_close(made[2:]) == (code, code.meaning)


def test_a_close_without_a_code_has_no_body() -> None:
    assert encode_close(1005, "never sent") == b"\x88\x00"
    assert parse_close(b"") == Close(1005, "")


@pytest.mark.parametrize("unit", ["a", "é", "€", "𝄞"])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_a_long_reason_is_cut_between_characters(unit: str, before: str) -> None:
    reason = before + unit * 200
    body = encode_close(1001, reason)[2:]
    assert 125 - len(unit.encode()) < len(body) <= 125
    parsed = parse_close(body)
    assert isinstance(parsed, Close)
    assert reason.startswith(parsed.reason)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\x03", 1002),
        *((bad.to_bytes(2, "big"), 1002) for bad in (0, 999, 1004, 1005, 1006, 1015, 1016)),
        *((bad.to_bytes(2, "big"), 1002) for bad in (1999, 2000, 2999, 5000, 65535)),
        (b"\x03\xe8\xff", 1007),
        (b"\x03\xe8\xe2\x82", 1007),
        (b"\x03\xe8\xed\xa0\x80", 1007),
    ],
)
def test_a_wrong_close_is_a_fault(body: bytes, code: int) -> None:
    parsed = parse_close(body)
    assert isinstance(parsed, Fault)
    assert parsed.code == code
    made = encode(CLOSE, body)
    receiver = Receiver(Limits())
    masked = made[:1] + bytes((made[1] | 0x80,)) + bytes(4) + body
    assert receiver.feed(masked, len(masked)) == [parsed]
