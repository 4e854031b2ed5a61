"""Growing pauses between attempts."""

from __future__ import annotations

import random

FIRST = 0.05
"""Seconds before the second attempt, at most."""

LONGEST = 0.5
"""Seconds between two attempts at most, so that the return of Redis is noticed soon."""


def pause_after(failures: int, longest: float = LONGEST) -> float:
    """Return the seconds to wait after this many failures in a row, with jitter."""
    bound = min(longest, FIRST * 2.0 ** min(failures - 1, 30))
    return bound * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret


class Backoff:
    """A pause that doubles with each failure from `FIRST` to `LONGEST`, with jitter.

    The jitter keeps the nodes of a server from trying all at the same moment.
    """

    def __init__(self) -> None:
        self._next = FIRST

    def reset(self) -> None:
        """Begin again with the shortest pause, after a success."""
        self._next = FIRST

    def seconds(self) -> float:
        """Return the seconds to wait after a failure: between half and all of the present bound."""
        bound, self._next = self._next, min(LONGEST, 2 * self._next)
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
