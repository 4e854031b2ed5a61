"""A socket on the reactor: bytes in, and out through an outbox that is bounded."""

from __future__ import annotations

import fcntl
import os
import socket as sockets
import sys
import termios
from collections import deque
from itertools import islice
from typing import Any

from ..loop.reactor import Reactor

FLUSH_SIZE = 64 * 1024
"""Bytes of one turn's output at which a connection's outbox is written at once."""

_FLUSH_WORK = FLUSH_SIZE >> 12  # what that counts in a turn: see `tasks.TURN`

DRAIN_SIZE = 128 * 1024
"""Bytes of what waits that are written before other connections have their turn; a multiple of
what `tls` gives OpenSSL at once."""

_CHUNK = 16 * 1024  # bytes up to which small pieces that wait become one
_PIECE = 1024  # bytes that make a piece small; a larger one is shared by all that it is sent to
_VECTOR = 64  # chunks that are handed to the kernel at once

_SIOCOUTQ: int | None = termios.TIOCOUTQ if sys.platform == "linux" else None


def in_kernel(descriptor: int) -> int:
    """Return the bytes in a socket's send buffer; 0 where the system does not tell (tcp(7))."""
    if _SIOCOUTQ is None:
        return 0
    answer = bytearray(4)
    try:
        fcntl.ioctl(descriptor, _SIOCOUTQ, answer)
    except OSError:
        return 0  # a socket that is lost has nothing more on its way
    return int.from_bytes(answer, sys.byteorder)


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
        self.waiting: deque[bytes | bytearray] | None = None
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

    def put(self, frame: bytes) -> None:
        """Send `frame`, which goes to many, as `write` does, but write nothing at once.

        What is too much for the end of the turn waits, and leaves in portions.
        """
        outbox = self._outbox
        task: Any = self
        if not outbox:
            self.reactor.mark(task)
        outbox.append(frame)
        if len(frame) * len(outbox) >= FLUSH_SIZE:
            self._set_aside()

    def _set_aside(self) -> None:
        """Move the outbox to what waits."""
        outbox, waits = self._outbox, bool(self.waiting)
        self.reactor.work += _FLUSH_WORK
        self.reactor.messages_out += len(outbox)
        data = outbox[0] if len(outbox) == 1 else b"".join(outbox)
        outbox.clear()
        self._wait(data)
        if self.waiting and not waits:
            task: Any = self
            self.reactor.drain_later(task)

    def flush(self, control: bytes = b"") -> None:
        """Write the outbox; what the kernel doesn't take waits.

        `control` is a frame that is not a message: it goes behind the others and is not counted.
        """
        outbox = self._outbox
        if not (outbox or control):
            return
        reactor = self.reactor
        if len(outbox) == 1:
            reactor.messages_out += 1
            data = outbox.pop()
        else:
            reactor.messages_out += len(outbox)
            data = b"".join(outbox)
            outbox.clear()
        if control:
            data += control
        if self.waiting:
            self._wait(data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            outbox.append(data)  # it has not left
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
        self._want_write()

    def _wait(self, data: bytes) -> None:
        """Add `data` to what waits, in one chunk with what came before it where both are small."""
        waiting = self.waiting
        if waiting is None:
            waiting = self.waiting = deque()
        self.queued += len(data) - (0 if waiting else self._offset)
        if waiting and len(data) < _PIECE and len(waiting[-1]) < _CHUNK:
            if not isinstance(waiting[-1], bytearray):
                waiting[-1] = bytearray(waiting[-1])
            waiting[-1] += data
        else:
            waiting.append(data)
        self.on_queued()

    def _want_write(self) -> None:
        task: Any = self
        self.reactor.want_write(task)

    def drain(self) -> None:
        """Write what waits, as far as the kernel takes it; what is left after DRAIN_SIZE, later."""
        total = 0
        while self.waiting and total < DRAIN_SIZE:
            try:
                sent = self._send_waiting(self.waiting)
            except BlockingIOError:
                self._want_write()
                break
            except OSError as error:
                self.on_lost(error)
                return
            total += sent
            self.queued -= sent
            self._forget_sent(self.waiting, sent)
        else:
            if self.waiting:
                task: Any = self
                self.reactor.drain_later(task)
        if not total:
            return
        if not self.waiting:
            self.waiting = None
        self.reactor.bytes_out += total
        self.reactor.work += total >> 12
        self.on_written()

    def _send_waiting(self, waiting: deque[bytes | bytearray]) -> int:
        """Hand the first DRAIN_SIZE bytes or so to the kernel; return the bytes that it took."""
        with memoryview(waiting[0])[self._offset : self._offset + DRAIN_SIZE] as first:
            if self.secure or len(waiting) == 1 or len(first) >= _CHUNK:
                return self._socket.send(first)  # type: ignore[no-any-return]
            chunks: list[Any] = [first]
            size = len(first)
            for chunk in islice(waiting, 1, _VECTOR):
                size += len(chunk)
                if size > DRAIN_SIZE:
                    break
                chunks.append(chunk)
            return self._socket.sendmsg(chunks)  # type: ignore[no-any-return]

    def _forget_sent(self, waiting: deque[bytes | bytearray], sent: int) -> None:
        """Take `sent` bytes off the front of what waits."""
        sent += self._offset
        while waiting and sent >= len(waiting[0]):
            sent -= len(waiting.popleft())
        self._offset = sent

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

    def unsent(self) -> int:
        """Return the bytes that the peer has not acknowledged, the kernel's among them."""
        return self.queued + in_kernel(self.descriptor)

    def abandon(self) -> None:
        """In a forked child: let go of the socket, which is the parent's."""
        self.ending = True
        self.descriptor = -1
        os.close(self._socket.detach())
        self._outbox.clear()
        self.waiting = None
        self.queued = self._offset = 0

    def shut(self) -> None:
        """Close the socket, over TLS with a close_notify before it.

        What still waits is gone. From here on the descriptor is another's.
        """
        task: Any = self
        self.reactor.remove(task)
        if self.secure:
            self._socket.shutdown(sockets.SHUT_WR)  # RFC 8446 §6.1
        self.descriptor = -1
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
