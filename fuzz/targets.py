"""Properties that hold for any bytes; each target raises if its property doesn't.

They need only the protocol, so that the ordinary tests run them over the whole corpus.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from fws_gevent.errors import CloseCode, HandshakeRefused
from fws_gevent.message import Message
from fws_gevent.protocol.credentials import find_credentials
from fws_gevent.protocol.forwarded import client_behind, parse_networks
from fws_gevent.protocol.frames import MAX_CONTROL, Close, Event, Fault, Ping, Pong, is_close_code
from fws_gevent.protocol.handshake import (
    Policy,
    Request,
    check_request,
    mentions_websocket,
    negotiate,
    parse_headers,
    parse_request_line,
    split_target,
    wants_websocket,
)
from fws_gevent.protocol.receiver import Limits, Receiver

# The second is large enough for the receiver's fast path, the first is not.
LIMITS = (Limits(max_message_size=512, max_fragments=16), Limits(65535, 64))
POLICY = Policy(("https://other.example",), ("chat", "fws"), deflate=True)
NETWORKS = parse_networks(["127.0.0.1", "10.0.0.0/8", "unix"])

_UNDECIDED = (CloseCode.INVALID_PAYLOAD, CloseCode.MESSAGE_TOO_BIG)
"""The reasons for invalid deflate data: zlib withholds the output before it in a piece.

So if that output is the one byte too many, the cut decides whether it is noticed, and which of two
reasons accompanies the same close code.
"""


def receiver(data: bytes) -> None:
    """Feed a client's frames; the first byte selects deflate and limits, the second the cuts.

    All cuts give the same events, none is longer than allowed, and a Close or a Fault is the last.
    At most a message and the start of a frame are kept for later.
    """
    if len(data) < 2:
        return
    deflate, limits = bool(data[0] & 1), LIMITS[data[0] >> 1 & 1]
    step, stream = data[1] % 64 + 1, data[2:]
    whole = _events(stream, max(1, len(stream)), limits, deflate)
    assert _events(stream, step, limits, deflate) == whole
    assert _events(stream, 1, limits, deflate) == whole
    for place, (kind, content) in enumerate(whole):
        if kind in (Close.__name__, Fault.__name__):
            assert place == len(whole) - 1
            assert content[0] == CloseCode.NO_STATUS or is_close_code(content[0])
        elif kind in (Ping.__name__, Pong.__name__):
            assert len(content) <= MAX_CONTROL
        else:
            assert len(content) <= limits.max_message_size


def _events(stream: bytes, step: int, limits: Limits, deflate: bool) -> list[tuple[str, Any]]:
    receiving, seen = Receiver(limits, deflate=deflate), list[tuple[str, Any]]()
    for start, end in pairwise([*range(0, len(stream), step), len(stream)]):
        events = receiving.feed(stream[start:end], end - start)
        while receiving.more:
            events += receiving.go_on()
        for event in events:
            content: Any = tuple(event)
            if isinstance(event, Message):
                content = bytes(event)
            elif isinstance(event, Ping | Pong):
                content = event.payload
            elif isinstance(event, Fault) and deflate and event.code in _UNDECIDED:
                content = (_UNDECIDED[0], "")
            seen.append((type(event).__name__, content))
        assert _kept(receiving) <= limits.max_message_size + 14 + MAX_CONTROL
    return seen


def _kept(receiving: Receiver) -> int:
    """Return the number of bytes that wait for more."""
    return len(receiving._rest) + len(receiving._message or b"")


def handshake(data: bytes) -> None:
    """Parse a request's head: it is refused with 4xx or 5xx, or answered with one-line headers."""
    first, *rest = data.decode("latin-1").split("\r\n")
    try:
        method, target, version = parse_request_line(first)
        path, authority = split_target(method, target)
        headers = parse_headers(line for line in rest if line)
        request = Request(method, path, version, headers, authority)
        check_request(request)
        client = client_behind("127.0.0.1", headers, NETWORKS)
        accepted = negotiate(request, POLICY, client.host)
        find_credentials(headers, path.partition("?")[2])
        wanted = wants_websocket(headers)
        means = mentions_websocket(headers)
    except HandshakeRefused as refused:
        status, _, reason = refused.status.partition(" ")
        assert status[0] in "45", refused.status
        assert reason
        _check_answer([*refused.headers, ("", str(refused))])
    else:
        assert method == "GET"
        assert means or not wanted
        assert accepted.subprotocol is None or accepted.subprotocol in POLICY.subprotocols
        _check_answer(accepted.headers)


def _check_answer(headers: Any) -> None:
    for name, value in headers:
        assert not {"\r", "\n", "\0"} & {*name, *value}, (name, value)


__all__ = ["TARGETS", "Event", "HandshakeRefused", "Receiver", "handshake", "receiver"]

TARGETS: dict[str, Callable[[bytes], None]] = {"receiver": receiver, "handshake": handshake}
