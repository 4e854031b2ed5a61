"""Sending an answer, for as long as the client reads it."""

from __future__ import annotations

from typing import Any, Final

from ..clock import SYSTEM_CLOCK, Clock
from ..connection.transport import in_kernel
from .body import SLOWEST, TooSlow

_PIECE: Final = 1 << 16  # bytes that are handed to the kernel at once
_LOOKS: Final = 4  # looks for progress in one time-out


def send_while_read(
    socket: Any, data: bytes | bytearray, timeout: float, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Send all of `data` over a blocking gevent socket.

    There is no limit for the whole, but the client must take `SLOWEST` bytes a second on the
    average of each `timeout` seconds; with a `timeout` of 0 it may stop. Bytes count once they have
    left the kernel's buffer. The time-out of the socket is `timeout` afterwards.

    Raises:
        TooSlow: The client is slower.
        OSError: The connection is lost.
    """
    left = memoryview(data)
    sent, taken_before = 0, -in_kernel(socket.fileno())
    due = clock.monotonic() + timeout
    socket.settimeout(timeout / _LOOKS if timeout else None)
    while left:
        try:
            size: int = socket.send(left[:_PIECE])
        except TimeoutError:
            size = 0
        sent += size
        left = left[size:]
        if timeout and (now := clock.monotonic()) >= due:
            taken = sent - in_kernel(socket.fileno())
            if taken - taken_before < SLOWEST * timeout:
                raise TooSlow
            taken_before, due = taken, now + timeout
    socket.settimeout(timeout or None)
