"""Open many clients that only answer; argv: PORT PATH NUMBER.

They answer Pings and a Close. They report on the word "report", and when all have ended.
"""

from __future__ import annotations

import select
import socket
import sys
from collections import Counter
from time import monotonic

from wire import CLOSE, PING, PONG, masked_frame, open_sockets

from .talk import prepare, tell, told

PATIENCE = 120.0


class Member:
    """One of the clients."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.messages = 0
        self.code = 0
        self.ended = 0.0
        self._data = b""

    def read(self) -> None:
        """Read once, and answer Pings and a Close."""
        try:
            data = self.socket.recv(65536)
            self._data += data
            while not self.ended and self._take_frame():
                pass
        except OSError:
            data = b""
        if not data:
            self.ended = monotonic()

    def _take_frame(self) -> bool:
        data = self._data
        if len(data) < 2:
            return False
        size, start = data[1], 2
        if size > 125:
            start += 2 if size == 126 else 8
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            return False
        opcode, payload = data[0] & 15, data[start : start + size]
        self._data = data[start + size :]
        if opcode == PING:
            self.socket.send(masked_frame(PONG, payload))
        elif opcode == CLOSE:
            self.code = int.from_bytes(payload[:2], "big")
            self.socket.send(masked_frame(CLOSE, payload))
        elif not self.code:
            self.messages += 1
        return True


def main() -> None:
    """Serve the clients until all have ended."""
    prepare()
    port, path, number = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    members = {each.fileno(): Member(each) for each in open_sockets(port, path, number)}
    epoll = select.epoll()
    epoll.register(0, select.EPOLLIN)
    for descriptor in members:
        epoll.register(descriptor, select.EPOLLIN)
    tell(ready=True)
    left = set(members)
    while left and (events := epoll.poll(PATIENCE, 1024)):
        if any(descriptor == 0 for descriptor, _ in events):
            told()
            break
        for descriptor, _ in events:
            members[descriptor].read()
            if members[descriptor].ended:
                epoll.unregister(descriptor)
                left.discard(descriptor)
    everybody = members.values()
    tell(
        codes=Counter(each.code for each in everybody),
        messages=Counter(each.messages for each in everybody),
        last=max(each.ended for each in everybody),
        left=len(left),
    )


if __name__ == "__main__":
    main()
