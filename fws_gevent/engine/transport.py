"""A socket on the reactor: bytes in, and out through an outbox that is bounded."""

from __future__ import annotations

import socket as sockets
import ssl
from collections import deque
from typing import Any

from .reactor import Reactor

FLUSH_SIZE = 64 * 1024
"""Bytes of one turn's output at which a connection's outbox is written at once."""

_FLUSH_WORK = FLUSH_SIZE >> 12  # what that counts in a turn: see `TURN`


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
        """Write until all is out or OpenSSL has to wait; what is left must come again as it is."""
        sent = 0
        with memoryview(data) as view:
            while sent < len(view):
                count: int = self._socket.send(view[sent:])
                if not count:
                    break
                sent += count
        if not sent:
            raise BlockingIOError
        return sent

    def shutdown(self, _how: int) -> None:
        """Say goodbye: TLS's close_notify, without waiting for the other's."""
        try:
            self._socket.unwrap()
        except (OSError, ValueError):
            return  # a lost connection, or one that waits: there is nobody to be polite to

    def fileno(self) -> int:
        """The descriptor."""
        return self._socket.fileno()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
        self._keep.close()


class Transport:
    """One socket's reading and writing; a `Connection` adds what the bytes mean.

    What is sent in one turn of the loop collects in the outbox and leaves in one write. What the
    kernel refuses waits, and only that counts as `queued`.
    """

    __slots__ = (
        "_offset",
        "_outbox",
        "_socket",
        "again",
        "busy",
        "descriptor",
        "ending",
        "hung_up",
        "queued",
        "reactor",
        "secure",
        "waiting",
    )

    def __init__(self, reactor: Reactor, socket: Any, secure: bool) -> None:
        self.reactor = reactor
        self.secure = secure
        self.busy = False
        self.again = False
        self.hung_up = False
        self.ending = False
        self.queued = 0
        self.waiting: deque[bytes] | None = None
        self.descriptor: int = socket.fileno()
        self._socket: Any = socket
        self._outbox: list[bytes] = []
        self._offset = 0  # bytes of the first waiting chunk that are gone already

    def write(self, frame: bytes) -> None:
        """Send `frame` at the end of this turn, or at once with what is there if that is much."""
        outbox = self._outbox
        task: Any = self
        if not outbox:
            self.reactor.mark(task)
        outbox.append(frame)
        if len(frame) * len(outbox) >= FLUSH_SIZE:  # near enough, and no sum to keep
            self.reactor.work += _FLUSH_WORK
            self.flush()

    def flush(self) -> None:
        """Write the outbox; what the kernel doesn't take waits."""
        outbox = self._outbox
        if not outbox:
            return
        reactor = self.reactor
        if len(outbox) == 1:
            reactor.messages_out += 1
            data = outbox.pop()
        else:
            reactor.messages_out += len(outbox)
            data = b"".join(outbox)
            outbox.clear()
        if self.waiting:
            self._wait(data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.on_lost(error)
            return
        reactor.bytes_out += sent
        if sent < len(data):
            self._wait_from(sent, data)
        elif self.ending:
            self.on_written()

    def write_through(self, header: bytes, payload: bytes | bytearray) -> None:
        """Write a large frame now, after what was written before; copied only if it has to wait."""
        self.flush()
        if self.waiting or self.secure:
            self.write(header + payload)
            return
        try:
            sent = self._socket.sendmsg((header, payload))
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.on_lost(error)
            return
        self.reactor.messages_out += 1
        self.reactor.bytes_out += sent
        if sent < len(header) + len(payload):
            self._wait_from(sent, header + payload)

    def _wait_from(self, sent: int, data: bytes) -> None:
        """The kernel took the first `sent` bytes of `data` alone: the rest waits."""
        self._offset = sent
        self._wait(data)
        self.reactor.want_write(self.descriptor)

    def _wait(self, data: bytes) -> None:
        if self.waiting is None:
            self.waiting = deque()
        self.queued += len(data) - (0 if self.waiting else self._offset)
        self.waiting.append(data)
        self.on_queued()

    def drain(self) -> None:
        """Write what waits, as far as the kernel takes it."""
        before = self.queued
        while self.waiting:
            chunk = self.waiting[0]
            with memoryview(chunk) as view:
                try:
                    sent = self._socket.send(view[self._offset :])
                except BlockingIOError:
                    self.reactor.want_write(self.descriptor)
                    break
                except OSError as error:
                    self.on_lost(error)
                    return
            self.reactor.bytes_out += sent
            self.queued -= sent
            self._offset += sent
            if self._offset == len(chunk):
                self.waiting.popleft()
                self._offset = 0
        if not self.waiting:
            self.waiting = None
        if self.queued < before:
            self.on_written()

    def drop_waiting(self) -> int:
        """Forget what waits but the chunk that is half out; returns the bytes forgotten."""
        waiting = self.waiting
        if not waiting:
            return 0
        first = waiting[0] if self._offset or self.secure else b""
        kept = len(first) - self._offset if first else 0
        dropped = self.queued - kept
        self.waiting = deque([first] if first else [])
        self.queued = kept
        return dropped

    def hang_up(self) -> None:
        """Say that nothing more comes, but go on listening."""
        try:
            self._socket.shutdown(sockets.SHUT_WR)
        except OSError as error:
            self.on_lost(error)

    def shut(self) -> None:
        """Close the socket; what is still waiting is gone."""
        self.reactor.remove(self.descriptor)
        self._socket.close()
        self._outbox.clear()
        self.waiting = None
        self.queued = self._offset = 0

    def on_lost(self, error: OSError) -> None:
        """The connection broke."""
        raise NotImplementedError

    def on_queued(self) -> None:
        """The kernel refused some output, so more of it waits."""
        raise NotImplementedError

    def on_written(self) -> None:
        """Some of what waited has left, or all of a connection that ends."""
        raise NotImplementedError
