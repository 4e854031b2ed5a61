"""A client that means harm; argv: PORT WHAT. It tells when and how it was closed.

The times are seconds since its first harmful byte.
"""

from __future__ import annotations

import select
import sys
import zlib
from collections.abc import Iterator
from time import monotonic
from typing import Any

from tests.clients import Client, frame

from .talk import prepare, tell, told

MIB = 1 << 20
ENOUGH = 30.0
"""Seconds after which it gives up."""
FLOOD = 2.0
"""Seconds of a flood that is answered."""
BOMB = 512 * MIB
"""Bytes that a bomb unpacks to; it comes as a thousandth of that."""
PONG = 2 + 125

HUGE = bytes((0x82, 0xFF)) + (2 << 30).to_bytes(8, "big") + b"mask"
PINGS = frame(9, bytes(125)) * 1000

TOO_MUCH: dict[str, tuple[bytes, bytes, int]] = {  # how it begins, goes on, and how often
    "2 GiB": (HUGE, bytes(MIB), 64),
    "endless": (frame(1, first=0), frame(0, bytes(65536), first=0), 4096),
    "tiny": (frame(2, first=0), frame(0, b"x", first=0) * 1000, 300),
    "empty": (frame(1, first=0), frame(0, first=0) * 1000, 300),
}


class Attack:
    """Sends all that it has as fast as it is taken, and keeps what comes back."""

    def __init__(self, client: Client, pieces: Iterator[bytes]) -> None:
        self.socket = client.socket
        self.socket.setblocking(False)
        self.received = bytearray()
        self.ended = False
        self.sent = 0
        self._pieces = pieces
        self._piece = memoryview(b"")
        self._more = True
        self._poll = select.poll()
        self._poll.register(self.socket, select.POLLIN)
        self.begun = monotonic()

    @property
    def time(self) -> float:
        """Seconds since it began."""
        return monotonic() - self.begun

    def go_on(self, seconds: float, reads: bool = True) -> None:
        """Wait for the socket, and then read and send what can be."""
        if self._more and not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
            self._more = bool(self._piece)
        writes = select.POLLOUT if self._piece else 0
        self._poll.modify(self.socket, (select.POLLIN if reads else 0) | writes)
        for _, events in self._poll.poll(seconds * 1000):
            try:
                if reads and events & ~select.POLLOUT:
                    data = self.socket.recv(MIB)
                    self.received += data
                    self.ended = not data
                if events & select.POLLOUT:
                    size = self.socket.send(self._piece)
                    self.sent += size
                    self._piece = self._piece[size:]
            except BlockingIOError:
                pass
            except OSError:
                self.ended = True

    def close_code(self, start: int = 0) -> int | None:
        """The code of the Close that stands at a place in what came, if it does."""
        close = self.received[start:]
        return int.from_bytes(close[2:4], "big") if len(close) >= 4 and close[0] == 0x88 else None


def repeated(start: bytes, more: bytes, times: int) -> Iterator[bytes]:
    """What an attack sends."""
    yield start
    for _ in range(times):
        yield more


def bomb() -> bytes:
    """A compressed message of zeros as one frame."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [deflater.compress(bytes(MIB)) for _ in range(BOMB // MIB)]
    payload = b"".join((*pieces, deflater.flush(zlib.Z_SYNC_FLUSH)))[:-4]
    assert len(payload) * 1000 < BOMB
    return frame(2, payload, first=0xC0)


def send_too_much(client: Client, pieces: Iterator[bytes]) -> dict[str, Any]:
    """Send it though the Close came, and tell of that."""
    attack = Attack(client, pieces)
    code, closed = None, 0.0
    while not attack.ended and attack.time < ENOUGH:
        attack.go_on(1.0)
        if code is None and (code := attack.close_code()) is not None:
            closed = attack.time
    return {"code": code, "closed": closed, "ended": attack.time, "sent": attack.sent}


def flood(client: Client) -> dict[str, Any]:
    """Ping for some time, and read the pongs."""
    attack = Attack(client, repeated(PINGS, PINGS, 1 << 30))
    while attack.time < FLOOD and not attack.ended:
        attack.go_on(FLOOD)
    return {"pongs": len(attack.received) // PONG, "stayed": not attack.ended}


def flood_deaf(client: Client) -> dict[str, Any]:
    """Ping and read nothing, until told to; then see what it was."""
    attack = Attack(client, repeated(PINGS, PINGS, 1 << 30))
    while told(0) is None:
        attack.go_on(0.01, reads=False)
    begun = monotonic()
    while not attack.ended and monotonic() < begun + ENOUGH:
        attack.go_on(1.0)
    end = 0
    while attack.received[end : end + 1] == b"\x8a":
        end += PONG
    return {"code": attack.close_code(end), "sent": attack.sent}


def main() -> None:
    """Connect, and do it when told."""
    prepare()
    port, what = int(sys.argv[1]), sys.argv[2]
    ready = bomb() if what == "bomb" else b""
    client = Client(port, headers=["Sec-WebSocket-Extensions: permessage-deflate"])
    tell(ready=True)
    told()
    if what == "flood":
        tell(**flood(client))
    elif what == "deaf":
        tell(**flood_deaf(client))
    elif what == "bomb":
        tell(**send_too_much(client, iter((ready,))))
    else:
        tell(**send_too_much(client, repeated(*TOO_MUCH[what])))


if __name__ == "__main__":
    main()
