"""The times that a node waits for a connection, and the bytes that may wait for its peer."""

from __future__ import annotations

from dataclasses import dataclass

from ..loop.wheel import Wheel
from ..settings import Settings

HARD_QUEUE = 16
"""Times `max_queue` (or the largest message) that may ever wait for one connection."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The times that a node waits for a connection, in ticks of its wheel, and with how much."""

    ping_interval: int
    """Silence before a Ping; 0 for no keep-alive."""
    ping_timeout: int
    """Silence after it before the peer is given up."""
    close_timeout: int
    """Time for the peer to answer a Close, or to take it."""
    max_queue: int
    """Bytes that may wait for the kernel to take them."""
    hard_queue: int
    """Bytes that may ever wait: a burst passes, a flood to a dead reader doesn't."""
    queue_timeout: int
    """Time that more may wait before the reader is given up as too slow."""


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
