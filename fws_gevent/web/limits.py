"""How often a client may ask."""

from __future__ import annotations

import math
from collections import OrderedDict
from time import monotonic

REMEMBERED = 10_000
"""Clients whose buckets are kept; the one that asked longest ago is forgotten first."""


class RateLimiter:
    """A token bucket for each client: `rate` requests a minute, as many at once; 0 for no bound."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Count one request; the seconds until it may be asked again, 0 if it may be now."""
        if not self._rate:
            return 0
        now = monotonic()
        left, at = self._buckets.pop(client, (float(self._rate), now))
        left = min(self._rate, left + (now - at) * self._rate / 60)
        seconds = 0 if left >= 1 else max(1, math.ceil((1 - left) * 60 / self._rate))
        self._buckets[client] = (left if seconds else left - 1, now)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return seconds
