"""The connections that are not WebSockets: their number and their end."""

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
"""Seconds in which bytes that a client sends after its last answer are discarded."""

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
        """Count a connection that was accepted; it is "new"."""
        self["new"] += 1

    def closed(self) -> None:
        """Count the close of a connection that is "new" or has left."""
        self["new"] -= 1

    def entered(self, connection: HTTPConnection) -> None:
        """Note that an accepted connection has a handler now."""
        self._open.add(connection)

    def left(self, connection: HTTPConnection) -> None:
        """Note that the handler of a connection has ended."""
        self.move(connection, "new")
        self._open.discard(connection)

    def move(self, connection: HTTPConnection, state: str) -> None:
        """Move a connection to another state."""
        self[connection.state] -= 1
        self[state] += 1
        connection.state = state

    def finish(self, deadline: float, wait: float) -> None:
        """Wait until all requests are answered, also those that come meanwhile.

        Args:
            deadline: The time of the clock at which the wait ends.
            wait: Seconds for new connections to send a request.
        """
        silent_until = min(deadline, self._clock.monotonic() + wait)
        while (now := self._clock.monotonic()) < deadline and (
            self["busy"] or (self["new"] and now < silent_until)
        ):
            gevent.sleep(_LOOK)

    def cut_off(self) -> None:
        """Close those that are still open."""
        for connection in tuple(self._open):
            if connection.socket is not None:
                _shut(connection.socket, sockets.SHUT_RDWR)


def hang_up(socket: Any) -> None:
    """Take no more requests from a client: bytes that it sent are read, and then the end."""
    _shut(socket, sockets.SHUT_RD)


def _shut(socket: Any, how: int) -> None:
    with contextlib.suppress(OSError):  # it may be gone
        # The socket's own method would raise an error in the greenlet that reads.
        bare = _socket.socket(fileno=os.dup(socket.fileno()))
        try:
            bare.shutdown(how)
        finally:
            bare.close()


def has_unread(socket: Any) -> bool:
    """Return whether the kernel holds unread bytes of a client."""
    descriptor, answer = socket.fileno(), bytearray(4)
    if descriptor < 0:
        return False  # closed, or another's by now
    with contextlib.suppress(OSError):  # it may be gone
        fcntl.ioctl(descriptor, termios.FIONREAD, answer)
    return any(answer)


def twin_of(socket: Any) -> Any:
    """Return a second gevent socket for a connection; it stays open when the first is closed."""
    family, kind, protocol = socket.family, socket.type, socket.proto
    return gevent.socket.socket(family, kind, protocol, fileno=os.dup(socket.fileno()))


def linger(socket: Any) -> None:
    """Close a connection whose client may still be sending, without losing the answer.

    A close with unread bytes makes the kernel send a reset, which destroys an answer on its way
    (RFC 9112 §9.6). So our side is shut first, and input is discarded until the client hangs up,
    for `LINGER` seconds at most.
    """
    with socket, contextlib.suppress(OSError):  # it may be gone
        socket.shutdown(sockets.SHUT_WR)
        with gevent.Timeout(LINGER, TimeoutError):
            while socket.recv(_PIECE):
                continue
