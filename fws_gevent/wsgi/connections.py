"""HTTP connections that are not WebSockets: how many there are, and their end."""

from __future__ import annotations

import _socket
import contextlib
import fcntl
import os
import socket as sockets
import termios
from collections import Counter
from typing import Any, Protocol

import gevent
import gevent.socket

from ..clock import SYSTEM_CLOCK, Clock

LINGER = 2.0
"""Seconds in which what a client still sends behind its last answer is thrown away."""

_LOOK = 0.01  # seconds
_PIECE = 1 << 16  # bytes


class HTTPConnection(Protocol):
    """A handler of one connection."""

    socket: Any
    """None once it is a WebSocket's."""
    state: str
    """ "new" before its first request, "busy" with one, or "idle" after one."""


class HTTPConnections(Counter[str]):
    """Counts the connections in each state: "new", "busy" and "idle"."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__()
        self._clock = clock
        self._open: set[HTTPConnection] = set()

    def accepted(self) -> None:
        """A connection was accepted; it is "new"."""
        self["new"] += 1

    def closed(self) -> None:
        """A connection that is "new", or has left, is closed."""
        self["new"] -= 1

    def entered(self, connection: HTTPConnection) -> None:
        """A connection that was accepted has a handler now."""
        self._open.add(connection)

    def left(self, connection: HTTPConnection) -> None:
        """Its handler has ended."""
        self.move(connection, "new")
        self._open.discard(connection)

    def move(self, connection: HTTPConnection, state: str) -> None:
        """Have a connection be in another state."""
        self[connection.state] -= 1
        self[state] += 1
        connection.state = state

    def finish(self, deadline: float, patience: float) -> None:
        """Wait until each request is answered that came so far, and those that come meanwhile.

        `deadline` is the time of the clock after which none is waited for; new
        connections may say something for `patience` seconds.
        """
        silent_until = min(deadline, self._clock.monotonic() + patience)
        while (now := self._clock.monotonic()) < deadline and (
            self["busy"] or (self["new"] and now < silent_until)
        ):
            gevent.sleep(_LOOK)

    def cut_off(self) -> None:
        """End those that are still there."""
        for connection in tuple(self._open):
            if connection.socket is not None:
                _shut(connection.socket, sockets.SHUT_RDWR)


def hang_up(socket: Any) -> None:
    """Have no request more from a client: what it sent already is read, and then the end."""
    _shut(socket, sockets.SHUT_RD)


def _shut(socket: Any, how: int) -> None:
    with contextlib.suppress(OSError):  # it may be gone
        # Not by the socket's own method: that makes an error of the greenlet that reads.
        bare = _socket.socket(fileno=os.dup(socket.fileno()))
        try:
            bare.shutdown(how)
        finally:
            bare.close()


def has_unread(socket: Any) -> bool:
    """Return whether the kernel holds bytes of a client's that nobody has read."""
    descriptor, answer = socket.fileno(), bytearray(4)
    if descriptor < 0:
        return False  # closed, or another's by now
    with contextlib.suppress(OSError):  # it may be gone
        fcntl.ioctl(descriptor, termios.FIONREAD, answer)
    return any(answer)


def twin_of(socket: Any) -> Any:
    """A second gevent socket for a connection, which stays open when the first one is closed."""
    family, kind, protocol = socket.family, socket.type, socket.proto
    return gevent.socket.socket(family, kind, protocol, fileno=os.dup(socket.fileno()))


def linger(socket: Any) -> None:
    """Close a connection whose client may still be sending, after what was sent to it.

    To close over bytes that nobody has read would make the kernel send a reset, which destroys
    an answer on its way (RFC 9112 §9.6). So our side is shut first, and what comes is thrown away
    until the client hangs up, for `LINGER` seconds at most.
    """
    with socket, contextlib.suppress(OSError):  # it may be gone
        socket.shutdown(sockets.SHUT_WR)
        with gevent.Timeout(LINGER, TimeoutError):
            while socket.recv(_PIECE):
                continue
