"""A TLS socket with the interface of a plain one."""

from __future__ import annotations

import ssl
from typing import Any

PIECE = 64 * 1024
"""Bytes that are handed to OpenSSL at once."""


def say_goodbye(socket: Any) -> None:
    """Send a close_notify, without waiting for the peer's (RFC 8446 §6.1).

    `socket` is a `gevent.ssl.SSLSocket`.
    """
    socket.settimeout(0)
    try:
        socket.unwrap()
    except (OSError, ValueError):
        return  # the connection is lost, or its buffer full: a close_notify is not owed then


class SecureSocket:
    """A TLS socket with the interface of a plain one: short reads, and BlockingIOError to wait.

    A read goes on until OpenSSL has no more, because bytes that it holds bring no event.
    """

    __slots__ = ("_keep", "_socket")

    def __init__(self, socket: Any) -> None:
        # The server that accepted the connection closes the socket when the request ends. A file
        # made of the socket counts as a user, so the real close waits for ours.
        self._keep = socket.makefile("rb", 0)
        self._socket = socket
        socket.settimeout(0)

    def recv_into(self, buffer: bytearray) -> int:
        """Read the available bytes, up to the buffer's size; return 0 at the end of the stream."""
        size = 0
        with memoryview(buffer) as view:
            while size < len(view):
                try:
                    count = self._socket.recv_into(view[size:])
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if size:
                        return size
                    raise BlockingIOError from None
                if not count:
                    break
                size += count
        return size

    def send(self, data: bytes | memoryview) -> int:
        """Write until all is out or OpenSSL has to wait; return the bytes written.

        The caller must repeat the rest from its first byte on, PIECE bytes of it or all: OpenSSL
        may have taken a part of the piece that it refused (SSL_write(3)).
        """
        sent = 0
        with memoryview(data) as view:
            while sent < len(view):
                count: int = self._socket.send(view[sent : sent + PIECE])
                if not count:
                    break
                sent += count
        if not sent:
            raise BlockingIOError
        return sent

    def shutdown(self, _how: int) -> None:
        """Send a close_notify, without waiting for the peer's."""
        say_goodbye(self._socket)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()  # type: ignore[no-any-return]

    def detach(self) -> int:
        """Return the descriptor, which the caller closes; send nothing to the peer."""
        bare = self._socket._sock  # noqa: SLF001 - gevent's own detach() needs the loop, which may be over
        return bare.detach()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
        self._keep.close()
