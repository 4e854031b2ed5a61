"""Closing many connections: evenly over some time, so that they don't come back all at once."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Protocol

import gevent

CLOSES_PER_SECOND = 500
"""Closes in a second, unless so many are to close that they wouldn't all have their turn."""

_STEP = 0.01  # seconds; closes that are nearer to each other go together


class Closable(Protocol):
    """A connection, as far as closing it goes."""

    ending: bool
    """Whether that has begun already."""

    def close(self, code: int, reason: str) -> None:
        """Begin to close."""


def spread_of(count: int, close_spread: float, grace: float) -> float:
    """The seconds over which `count` connections are closed, of `grace` seconds that there are.

    Half of the grace is left to the last ones, to send what they have queued and be answered.
    """
    return min(close_spread, grace / 2, count / CLOSES_PER_SECOND)


def close_evenly(connections: Sequence[Closable], seconds: float, code: int, reason: str) -> None:
    """Begin to close all of `connections`, one after the other over `seconds`.

    Nobody waits for those that end by themselves meanwhile.
    """
    begun = monotonic()
    for index, connection in enumerate(connections):
        if connection.ending:
            continue
        early = begun + seconds * index / len(connections) - monotonic()
        if early >= _STEP:
            gevent.sleep(early)
        connection.close(code, reason)
