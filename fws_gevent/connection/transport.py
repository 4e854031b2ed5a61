"""A socket on the reactor: bytes in, and bytes out through a bounded outbox."""

from __future__ import annotations

import _socket
import fcntl
import socket as sockets
import sys
import termios
from collections import deque
from itertools import islice
from typing import Any

from ..loop.reactor import Reactor

FLUSH_SIZE = 64 * 1024
"""Bytes of one turn's output at which a connection's outbox is written at once."""

_FLUSH_WORK = FLUSH_SIZE >> 12  # its units of work, see `tasks.TURN`

DRAIN_SIZE = 128 * 1024
"""Waiting bytes that are written before other connections have their turn; a multiple of
`tls.PIECE`."""

_CHUNK = 16 * 1024  # bytes of a waiting chunk to which small pieces are added
_PIECE = 1024  # bytes from which a piece is not small; then all its receivers share it
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
        return 0  # a lost socket has nothing on its way
    return int.from_bytes(answer, sys.byteorder)


class Transport:
    """One socket, read from and written to; `Connection` gives the bytes their meaning.

    The output of one turn of the loop collects in the outbox and leaves in one write. Bytes that
    the kernel refuses wait, and only these count as `queued`.
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
        self._offset = 0  # bytes of the first waiting chunk that have left

    def write(self, frame: bytes) -> None:
        """Send `frame` at the end of this turn, or at once if the outbox is large."""
        outbox = self._outbox
        task: Any = self
        if not outbox:
            self.reactor.mark(task)
        outbox.append(frame)
        if len(frame) * len(outbox) >= FLUSH_SIZE:  # an estimate, which saves a sum
            self.reactor.work += _FLUSH_WORK
            self.flush()

    def put(self, frame: bytes) -> None:
        """Send `frame`, which goes to many connections, as `write` does, but never at once.

        Output that is too large for the end of the turn waits, and leaves in portions.
        """
        outbox = self._outbox
        task: Any = self
        if not outbox:
            self.reactor.mark(task)
        outbox.append(frame)
        if len(frame) * len(outbox) >= FLUSH_SIZE:
            self._set_aside()

    def _set_aside(self) -> None:
        """Move the outbox to the waiting bytes."""
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
        """Write the outbox, as far as the kernel takes it; the rest waits.

        `control` is a frame that is not a message. It is written last and is not counted.
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
        """Write the outbox and a large frame now; copy the frame only if it has to wait."""
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
        """Have `data` wait, of which the kernel took only the first `sent` bytes."""
        self._offset = sent
        self._wait(data)
        self._want_write()

    def _wait(self, data: bytes) -> None:
        """Add `data` to the waiting bytes, and to their last chunk where both are small."""
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
        """Write DRAIN_SIZE waiting bytes, as far as the kernel takes them; the rest later."""
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
        """Hand about DRAIN_SIZE bytes to the kernel; return the number that it took."""
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
        """Remove the first `sent` bytes that wait."""
        sent += self._offset
        while waiting and sent >= len(waiting[0]):
            sent -= len(waiting.popleft())
        self._offset = sent

    def drop_waiting(self) -> int:
        """Drop the waiting bytes but a chunk that is partly sent; return the number dropped."""
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
        """Shut our side of the stream, but go on reading."""
        try:
            self._socket.shutdown(sockets.SHUT_WR)
        except OSError as error:
            self.on_lost(error)

    def unsent(self) -> int:
        """Return the number of bytes that the peer has not acknowledged, the kernel's included."""
        return self.queued + in_kernel(self.descriptor)

    def abandon(self) -> None:
        """Let go of the socket in a forked child: it is the parent's."""
        self.ending = True
        self.descriptor = -1
        _socket.close(self._socket.detach())  # gevent's os.close() waits for the loop
        self._outbox.clear()
        self.waiting = None
        self.queued = self._offset = 0

    def shut(self) -> None:
        """Close the socket, over TLS after a close_notify. Waiting bytes are dropped.

        From here on the descriptor may be used for another socket.
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
        """React to the loss of the connection."""
        raise NotImplementedError

    def on_queued(self) -> None:
        """React to output that the kernel refused, so that more waits."""
        raise NotImplementedError

    def on_written(self) -> None:
        """React to waiting output that has left, or to the last output of an ending connection."""
        raise NotImplementedError
