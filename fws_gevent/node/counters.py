"""Counts of how the connections of a node ended."""

from __future__ import annotations

from collections import Counter, deque

from ..clock import Clock
from ..connection.closed import Closed
from ..errors import CloseCode

RECENT = 20
"""Ends that are kept with their time and reason."""

_MEANINGS = {int(known): known.meaning for known in CloseCode}


class Counters:
    """Counts the ends of connections, and those that were given up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.closes: Counter[int] = Counter()
        """Connections that ended, by close code as `counted_as` has it."""
        self.recent: deque[tuple[float, Closed]] = deque(maxlen=RECENT)
        self.losses: Counter[str] = Counter(slow=0, keepalive=0)
        """Connections that were given up, by reason."""

    def count_close(self, closed: Closed) -> None:
        """Count the end of a connection."""
        self.closes[counted_as(closed.code)] += 1
        self.recent.append((self._clock.wall(), closed))


def counted_as(code: int) -> int:
    """Return the close code under which `code` is counted: an unknown one under its thousand.

    Clients choose from 2000 codes, and each number that is kept would be a time series for ever.
    """
    return code if code in _MEANINGS else code - code % 1000


def shown(code: int) -> int | str:
    """Return a code that is counted, as it is shown."""
    return code if code in _MEANINGS else f"{code // 1000}xxx"


def meaning(code: int) -> str:
    """Return the meaning of a code that is counted."""
    return _MEANINGS.get(code, "an application's own")
