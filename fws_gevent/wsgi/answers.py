"""Sending an answer: for as long as the client reads it, however long that takes."""

from __future__ import annotations

from typing import Any, Final

from ..clock import SYSTEM_CLOCK, Clock
from ..connection.transport import in_kernel
from .body import SLOWEST, TooSlow

_PIECE: Final = 1 << 16  # bytes that are handed to the kernel at once
_LOOKS: Final = 4  # times that a wait looks for progress in one time-out


def send_while_read(
    socket: Any, data: bytes | bytearray, patience: float, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Send all of `data` over a gevent socket that waits.

    The client may take any time, but it must take `SLOWEST` bytes a second or more, on the
    average of each `patience` seconds; with 0 for `patience` it may stop. Bytes count once they
    have left the kernel's buffer. Raises TooSlow otherwise, and OSError for a lost connection.
    The time-out of the socket is `patience` afterwards.
    """
    left = memoryview(data)
    sent, taken_before = 0, -in_kernel(socket.fileno())
    due = clock.monotonic() + patience
    socket.settimeout(patience / _LOOKS if patience else None)
    while left:
        try:
            size: int = socket.send(left[:_PIECE])
        except TimeoutError:
            size = 0
        sent += size
        left = left[size:]
        if patience and (now := clock.monotonic()) >= due:
            taken = sent - in_kernel(socket.fileno())
            if taken - taken_before < SLOWEST * patience:
                raise TooSlow
            taken_before, due = taken, now + patience
    socket.settimeout(patience or None)
