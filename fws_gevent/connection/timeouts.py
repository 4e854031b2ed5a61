"""The time-outs and queue bounds of a connection."""

from __future__ import annotations

from dataclasses import dataclass

from ..loop.wheel import Wheel
from ..settings import Settings

HARD_QUEUE = 16
"""The bytes that may ever wait for one connection, as a multiple of `max_queue` or of the largest
message."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The time-outs of a connection in ticks of the wheel, and the bounds of its queue in bytes."""

    ping_interval: int
    """Silence before a Ping; 0 turns pings off."""
    ping_timeout: int
    """Silence after a Ping before the peer is given up."""
    close_timeout: int
    """Time for the peer to read and answer a Close."""
    max_queue: int
    """Bytes that may wait until the kernel takes them."""
    hard_queue: int
    """Bytes that may ever wait, so that a burst passes and a flood to a dead reader does not."""
    queue_timeout: int
    """Time for which more than `max_queue` may wait before the reader is closed as too slow."""


def timeouts_of(settings: Settings, wheel: Wheel) -> Timeouts:
    """Return the time-outs and bounds that settings ask for."""
    return Timeouts(
        ping_interval=wheel.ticks(settings.ping_interval) if settings.ping_interval else 0,
        ping_timeout=wheel.ticks(settings.ping_timeout),
        close_timeout=wheel.ticks(settings.close_timeout),
        max_queue=settings.max_queue,
        hard_queue=HARD_QUEUE * max(settings.max_queue, settings.max_message_size),
        queue_timeout=wheel.ticks(settings.max_queue_time),
    )
