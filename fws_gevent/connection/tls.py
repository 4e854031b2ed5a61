"""A TLS socket in the terms of a plain one."""

from __future__ import annotations

import ssl
from typing import Any

PIECE = 64 * 1024
"""Bytes that OpenSSL gets at once."""


def say_goodbye(socket: Any) -> None:
    """Send a close_notify, without waiting for the peer's (RFC 8446 §6.1).

    `socket` is a `gevent.ssl.SSLSocket`.
    """
    socket.settimeout(0)
    try:
        socket.unwrap()
    except (OSError, ValueError):
        return  # a lost connection, or one that waits: there is nobody to be polite to


class SecureSocket:
    """A TLS socket in the terms of a plain one: short reads, and BlockingIOError to wait.

    A read goes on until OpenSSL has no more, for bytes that it holds wake nobody.
    """

    __slots__ = ("_keep", "_socket")

    def __init__(self, socket: Any) -> None:
        # Whoever accepted the connection closes the socket when the request ends; a file made
        # of it counts as a user, so that the real close waits for ours.
        self._keep = socket.makefile("rb", 0)
        self._socket = socket
        socket.settimeout(0)

    def recv_into(self, buffer: bytearray) -> int:
        """Read what there is, up to the buffer's size; 0 at the end of the stream."""
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
        """Write until all is out or OpenSSL has to wait.

        What is left must come again from its first byte on, and no less than PIECE of it where
        there is as much: OpenSSL may have taken a part of the piece that it refused
        (SSL_write(3)).
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
        """Say goodbye: TLS's close_notify, without waiting for the other's."""
        say_goodbye(self._socket)

    def fileno(self) -> int:
        """The descriptor."""
        return self._socket.fileno()  # type: ignore[no-any-return]

    def detach(self) -> int:
        """Return the descriptor, which is the caller's to close; say nothing to the peer."""
        bare = self._socket._sock  # noqa: SLF001 - gevent's own detach() needs the loop, which may be over
        return bare.detach()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
        self._keep.close()
