"""The connections of our own server that are not WebSockets, and their end."""

from __future__ import annotations

import _socket
import contextlib
import os
import socket as sockets
from collections import Counter
from time import monotonic
from typing import Any, Protocol

import gevent

_LOOK = 0.01  # seconds


class HTTPConnection(Protocol):
    """A handler of one connection."""

    socket: Any
    """None once it is a WebSocket's."""
    state: str
    """ "new" before its first request, "busy" with one, or "idle" after one."""


class HTTPConnections(Counter[str]):
    """Counts the connections in each state: "new", "busy" and "idle"."""

    def __init__(self) -> None:
        super().__init__()
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

        `deadline` is the time (monotonic, in seconds) after which none is waited for; new
        connections may say something for `patience` seconds.
        """
        silent_until = min(deadline, monotonic() + patience)
        while (now := monotonic()) < deadline and (
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
