"""Open members of a group that read everything, and a publisher.

argv: PORT NUMBER SECONDS MOST AHEAD.
When told to, send messages of 16 KiB as fast as the server accepts them, for SECONDS and MOST of
them, but at most AHEAD of the slowest reader: one program reads for all, and is slower than a
server without other work. Report the delay of messages, counted from the broadcast.
"""

from __future__ import annotations

import select
import socket
import sys
from array import array
from time import monotonic, monotonic_ns

from wire import open_sockets

from .talk import prepare, tell, told

SIZE = 16 * 1024
FRAME = 4 + SIZE
"""The size of a server's frame with such a message."""
HEAD = 4 + 16
"""The size of the part with the time and the number."""
STUCK = 15.0
"""Seconds without data after which waiting ends."""

_BUFFER = bytearray(1 << 20)


def message(number: int) -> bytes:
    """Return a client's frame: space for the time, the number, and zeros."""
    # The mask is zero as well, so that masking needs no work.
    head = b"\x82\xfe" + SIZE.to_bytes(2, "big") + bytes(4)
    return head + bytes(8) + number.to_bytes(8, "big") + bytes(SIZE - 16)


class Reader:
    """The position of a connection in the stream of frames, all of one size."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.setblocking(False)
        self.next = 0
        self.ended = False
        self.disorder = False
        self._place = 0
        self._head = b""

    def read(self, delays: array[int]) -> None:
        """Read once, and note the delay of each complete message."""
        try:
            size = self.socket.recv_into(_BUFFER)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.ended = True
            return
        now, start = monotonic_ns(), 0
        while start < size:
            if self._place < HEAD:
                self._head += _BUFFER[start : min(size, start + HEAD - self._place)]
            step = min(size - start, FRAME - self._place)
            start += step
            self._place += step
            if self._place == FRAME:
                self._whole(now, delays)

    def _whole(self, now: int, delays: array[int]) -> None:
        head, self._head, self._place = self._head, b"", 0
        number = int.from_bytes(head[12:20], "big")
        if head[0] != 0x82 or number != self.next:
            self.ended = self.disorder = True
            return
        self.next += 1
        delays.append(now - int.from_bytes(head[4:12], "big"))


class Publisher:
    """Send for some time, a number of messages, but not too far ahead of the readers."""

    def __init__(self, connection: socket.socket, seconds: float, most: int, ahead: int) -> None:
        self.socket = connection
        self.socket.setblocking(False)
        self.sent = 0
        self.begun = monotonic()
        self.seconds = 0.0
        """Return the duration, once it is over."""
        self.over = False
        self._until = self.begun + seconds
        self._most = most
        self._ahead = ahead
        self._rest = memoryview(b"")

    def send(self, slowest: int) -> None:
        """Send as much as allowed now."""
        while not self.over:
            if not self._rest:
                if self.sent == self._most or monotonic() >= self._until:
                    self.over, self.seconds = True, monotonic() - self.begun
                    return
                if self.sent - slowest >= self._ahead:
                    return
                self._rest = memoryview(message(self.sent))
            try:
                size = self.socket.send(self._rest)
            except BlockingIOError:
                return
            self._rest = self._rest[size:]
            if not self._rest:
                self.sent += 1


def follow(readers: dict[int, Reader], publisher: Publisher) -> array[int]:
    """Publish, read until all members have everything or ended, and return delays in ns."""
    epoll = select.epoll()
    epoll.register(publisher.socket, select.EPOLLOUT | select.EPOLLET)
    for descriptor in readers:
        epoll.register(descriptor, select.EPOLLIN)
    delays, left = array("q"), set(readers)
    while left:
        publisher.send(min(readers[each].next for each in left))
        if publisher.over:
            left = {each for each in left if readers[each].next < publisher.sent}
        events = epoll.poll(STUCK, 256) if left else []
        if not events:
            break
        for descriptor, _ in events:
            reader = readers.get(descriptor)
            if reader is None:
                continue  # the publisher's
            reader.read(delays)
            if reader.ended:
                epoll.unregister(descriptor)
                left.discard(descriptor)
    return delays


def main() -> None:
    """Open all members, and begin when told to."""
    prepare()
    port, number, seconds, most, ahead = map(float, sys.argv[1:])
    opened = open_sockets(int(port), "/member", int(number))
    (connection,) = open_sockets(int(port), "/publish", 1)
    readers = {each.fileno(): Reader(each) for each in opened}
    tell(ready=True)
    told()
    publisher = Publisher(connection, seconds, int(most), int(ahead))
    delays = sorted(follow(readers, publisher)) or [0]
    tell(
        sent=publisher.sent,
        seconds=publisher.seconds,
        got=[each.next for each in readers.values()],
        ended=sum(each.ended for each in readers.values()),
        disorder=any(each.disorder for each in readers.values()),
        p99=delays[len(delays) * 99 // 100] / 1e9,
        longest=delays[-1] / 1e9,
    )
    told()


if __name__ == "__main__":
    main()
