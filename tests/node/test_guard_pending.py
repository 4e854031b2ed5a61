"""The limits of a connection before its token, and after it."""

from __future__ import annotations

import zlib
from itertools import pairwise

import pytest

from fws_gevent.message import Message
from fws_gevent.node.guard import PENDING_SIZE
from fws_gevent.protocol.frames import Event, Fault
from fws_gevent.protocol.receiver import Limits, Receiver
from tests.clients import frame
from tests.conftest import Connect, Serve
from tests.filters.test_results import filter_that
from tests.waiting import until

from .guarded import guard_of, guarded, is_empty

NARROW = Limits(PENDING_SIZE)
TOO_MUCH = (1009, "too much before the first message")


def squeezed(payload: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    data = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return frame(1, data[:-4], first=0xC0)


STRANGERS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "a long message, announced": (
        frame(1, b"token:" + b"a" * PENDING_SIZE)[:20],
        (1009, f"message over {PENDING_SIZE} bytes"),
    ),
    "fragments": (
        frame(1, b"a" * 8000, first=0) + frame(0, b"a" * 8000, first=0) + frame(0, b"a" * 500)[:8],
        (1009, f"message over {PENDING_SIZE} bytes"),
    ),
    "a bomb": (
        squeezed(b"token:" + bytes(PENDING_SIZE)),
        (1009, f"message over {PENDING_SIZE} bytes"),
    ),
    "many pings": (frame(9, b"a" * 100) * 200, TOO_MUCH),
    "empty fragments": (frame(1, b"", first=0) + frame(0, b"", first=0) * 3000, TOO_MUCH),
    "empty blocks": (
        frame(1, b"\0\0\0\xff\xff" * 2000, first=0x40)
        + frame(0, b"\0\0\0\xff\xff" * 2000, first=0),
        TOO_MUCH,
    ),
}


@pytest.mark.parametrize("what", STRANGERS)
@pytest.mark.parametrize("tls", [False, True])
def test_a_pending_connection_that_sends_too_much_is_closed_with_1009(
    what: str, tls: bool, serve: Serve, connect: Connect, identity: tuple[str, str]
) -> None:
    more = {"key": identity[0], "cert": identity[1]} if tls else {}
    server = guarded(serve, **more)
    extension = ["Sec-WebSocket-Extensions: permessage-deflate"]
    client = connect(server, headers=extension, tls=tls)
    sent, end = STRANGERS[what]
    client.raw(sent)
    while (answer := client.frame()).opcode == 10:
        pass  # a pong
    assert answer.close == end
    client.close(end[0])
    assert client.at_end()
    until(lambda: is_empty(server))


def test_after_its_token_it_may_send_as_much_as_every_connection(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    client = connect(server)
    large, token = "x" * 1_000_000, server.tokens.issue("ada")
    client.raw(frame(9) + frame(1, f"token:{token}".encode()) + frame(1, large.encode()))
    assert client.frame().opcode == 10
    assert client.receive() == "token:accepted"
    assert client.receive() == large
    assert not guard_of(server).pending
    for _ in range(3):
        client.send(large)
        assert client.receive() == large


def test_messages_behind_the_token_in_one_piece_follow_in_order(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    client = connect(server)
    messages = [f"message {number}" for number in range(600)]
    token = server.tokens.issue("ada")
    client.raw(b"".join(frame(1, each.encode()) for each in (f"token:{token}", *messages)))
    assert client.receive() == "token:accepted"
    assert [client.receive() for _ in messages] == messages
    client.send("and later")
    assert client.receive() == "and later"


def test_bytes_behind_the_request_count_too(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    token = server.tokens.issue("ada")
    early = frame(1, f"token:{token}".encode()) + frame(1, b"early")
    client = connect(server, early=early)
    assert [client.receive(), client.receive()] == ["token:accepted", "early"]


@pytest.mark.parametrize("auth", ["off", "optional"])
def test_without_auth_the_full_limits_hold_from_the_start(
    auth: str, serve: Serve, connect: Connect
) -> None:
    client = connect(guarded(serve, auth=auth))
    client.send("x" * 100_000)
    assert client.receive() == "x" * 100_000


def test_a_smaller_limit_of_messages_holds_for_pending_connections_too(
    serve: Serve, connect: Connect
) -> None:
    client = connect(guarded(serve, filter_that(lambda data: None), max_message_size=500))
    client.send("token:" + "a" * 600)
    assert client.frame().close == (1009, "message over 500 bytes")


# The receiver's part.


def fed(receiver: Receiver, data: bytes, step: int) -> list[Event]:
    events: list[Event] = []
    for start, end in pairwise([*range(0, len(data), step), len(data)]):
        events += receiver.feed_narrow(data[start:end])
        if any(isinstance(each, Message) for each in events):
            return events + receiver.widen(Limits()) + receiver.feed(data[end:], len(data) - end)
    return events


@pytest.mark.parametrize("step", [1, 7, 50, 4000])
def test_the_first_message_is_the_last_event_until_it_is_widened(step: int) -> None:
    first = frame(1, b"to", first=0) + frame(9) + frame(0, b"ken")
    data = first + frame(1, b"x" * 40_000) + frame(2, b"y") + frame(9, b"z")
    receiver = Receiver(NARROW, room=PENDING_SIZE)
    names = [type(each).__name__ for each in fed(receiver, data, step)]
    assert names == ["Ping", "CheckedMessage", "CheckedMessage", "BinaryMessage", "Ping"]
    assert not receiver.narrow


def test_the_room_is_for_all_that_comes_before() -> None:
    receiver = Receiver(NARROW, room=100)
    ping = frame(9, b"a" * 44)
    assert len(receiver.feed_narrow(ping + ping)) == 2
    (fault,) = receiver.feed_narrow(b"a")
    assert isinstance(fault, Fault)
    assert fault == TOO_MUCH
    assert receiver.feed_narrow(ping) == []
    assert receiver.widen(Limits()) == []
