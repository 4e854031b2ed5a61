"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST = 0.05
"""Seconds before the second attempt, at most."""

LONGEST = 0.5
"""Seconds between two attempts at most, however many failed: Redis is missed when it is back."""


def pause_after(failures: int, longest: float = LONGEST) -> float:
    """Return the seconds to wait after so many failures in a row, with jitter; 1 is the first."""
    bound = min(longest, FIRST * 2.0 ** min(failures - 1, 30))
    return bound * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret


class Backoff:
    """Doubles with each failure from `FIRST` to `LONGEST`, with jitter, and never gives up.

    The jitter keeps the nodes of a server from coming back all at the same moment.
    """

    def __init__(self) -> None:
        self._next = FIRST

    def reset(self) -> None:
        """It worked."""
        self._next = FIRST

    def seconds(self) -> float:
        """It failed again: how long to wait, between a half and all of the present bound."""
        bound, self._next = self._next, min(LONGEST, 2 * self._next)
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
