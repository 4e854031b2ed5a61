"""Open connections that send nothing, or too little; argv: PORT HOW NUMBER SECONDS.

The word HOW is "silent", "dripping", "idle" (after a request that was answered) or "tls" (a
handshake that stops in the middle). Report when the server closed each one, in seconds since it
began.
"""

from __future__ import annotations

import select
import socket
import sys
from time import monotonic

from .talk import prepare, tell, told

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a TLS ClientHello."""
FIRST = {"silent": b"", "dripping": b"GET / HTTP/1.1\r\nX-Note: ", "idle": REQUEST, "tls": HELLO}
DRIP = 1.0
"""Seconds between two drops."""


class Hanging:
    """One connection."""

    def __init__(self, port: int, how: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.sendall(FIRST[how])
        self.socket.setblocking(False)
        self.begun = monotonic()
        self.lasted: float | None = None

    def read(self) -> bool:
        """Read once, and return whether the connection has ended."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        now = monotonic()
        if data:
            self.begun = now  # the answer; from now on the connection is idle
            return False
        self.lasted = now - self.begun
        return True

    def drip(self) -> None:
        """Send a few bytes more."""
        if self.lasted is None:
            try:
                self.socket.send(b"a")
            except OSError:
                return  # reading will find the end


def main() -> None:
    """Wait until all connections are closed, or the time is over."""
    prepare()
    port, how, number, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    hanging, poll = {}, select.poll()
    for _ in range(number):
        one = Hanging(port, how)
        hanging[one.socket.fileno()] = one
        poll.register(one.socket, select.POLLIN)
    tell(ready=True)
    end, drip, left = monotonic() + float(seconds), monotonic() + DRIP, number
    while left and (now := monotonic()) < end:
        for descriptor, _ in poll.poll(max(0.0, min(drip, end) - now) * 1000):
            if hanging[descriptor].read():
                poll.unregister(descriptor)
                left -= 1
        if monotonic() >= drip:
            drip += DRIP
            for each in hanging.values() if how == "dripping" else ():
                each.drip()
    lasted = [each.lasted for each in hanging.values() if each.lasted is not None]
    tell(dropped=len(lasted), longest=max(lasted, default=0.0))
    told()  # the rest stays open while others measure


if __name__ == "__main__":
    main()
