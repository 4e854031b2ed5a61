"""Attack a server; argv: PORT WHAT. Report when and how the connection was closed.

Times are seconds since the first harmful byte.
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
"""Seconds after which the attacker gives up."""
FLOOD = 2.0
"""Seconds that an answered flood lasts."""
BOMB = 512 * MIB
"""Inflated size of a bomb; a thousandth of that is sent."""
PONG = 2 + 125

HUGE = bytes((0x82, 0xFF)) + (2 << 30).to_bytes(8, "big") + b"mask"
PINGS = frame(9, bytes(125)) * 1000

# The first frame, the following ones, and their number.
TOO_MUCH: dict[str, tuple[bytes, bytes, int]] = {
    "2 GiB": (HUGE, bytes(MIB), 64),
    "endless": (frame(1, first=0), frame(0, bytes(65536), first=0), 4096),
    "tiny": (frame(2, first=0), frame(0, b"x", first=0) * 1000, 300),
    "empty": (frame(1, first=0), frame(0, first=0) * 1000, 300),
}


class Attack:
    """Send data as fast as the server accepts it, and keep the answers."""

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
        """Return the seconds since the attack began."""
        return monotonic() - self.begun

    def go_on(self, seconds: float, reads: bool = True) -> None:
        """Wait for the socket, then read and send as much as possible."""
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
        """Return the code of the Close at a place in the answers, or None."""
        close = self.received[start:]
        return int.from_bytes(close[2:4], "big") if len(close) >= 4 and close[0] == 0x88 else None


def repeated(start: bytes, more: bytes, times: int) -> Iterator[bytes]:
    """Yield the frames of an attack."""
    yield start
    for _ in range(times):
        yield more


def bomb() -> bytes:
    """Return a compressed message of zeros as one frame."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [deflater.compress(bytes(MIB)) for _ in range(BOMB // MIB)]
    payload = b"".join((*pieces, deflater.flush(zlib.Z_SYNC_FLUSH)))[:-4]
    assert len(payload) * 1000 < BOMB
    return frame(2, payload, first=0xC0)


def send_too_much(client: Client, pieces: Iterator[bytes]) -> dict[str, Any]:
    """Send everything, even after the Close, and report."""
    attack = Attack(client, pieces)
    code, closed = None, 0.0
    while not attack.ended and attack.time < ENOUGH:
        attack.go_on(1.0)
        if code is None and (code := attack.close_code()) is not None:
            closed = attack.time
    return {"code": code, "closed": closed, "ended": attack.time, "sent": attack.sent}


def flood(client: Client) -> dict[str, Any]:
    """Send pings for some time, and read the pongs."""
    attack = Attack(client, repeated(PINGS, PINGS, 1 << 30))
    while attack.time < FLOOD and not attack.ended:
        attack.go_on(FLOOD)
    return {"pongs": len(attack.received) // PONG, "stayed": not attack.ended}


def flood_deaf(client: Client) -> dict[str, Any]:
    """Send pings without reading; then, when told to, read everything."""
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
    """Connect, and attack when told to."""
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
