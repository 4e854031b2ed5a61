"""Rate limits: token buckets, one for each key."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable

from ..clock import SYSTEM_CLOCK, Clock

REMEMBERED = 10_000
"""Keys whose buckets are kept; the least recently used one is dropped first."""

_ROUNDING = 1e-6  # tokens that may be missing after the wait that was returned


class Bucket:
    """A token bucket: it holds `burst` tokens and gets `rate` a second, both above 0."""

    __slots__ = ("_at", "_burst", "_clock", "_left", "_rate")

    def __init__(self, rate: float, burst: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = self._left = burst
        self._at = self._clock.monotonic()

    def wait(self, tokens: float = 1.0) -> float:
        """Take tokens and return 0; or take none and return the seconds until there are enough.

        More tokens than the bucket holds are taken once it is full, and it owes the rest.
        """
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        lacking = min(tokens, self._burst) - self._left
        if lacking > _ROUNDING:
            return lacking / self._rate
        self._left -= tokens
        return 0.0

    def peek(self) -> float:
        """Return 0, or the seconds until there is a token; take none."""
        left = self._left + (self._clock.monotonic() - self._at) * self._rate
        lacking = min(1.0, self._burst) - left
        return lacking / self._rate if lacking > _ROUNDING else 0.0


class Buckets:
    """A bucket for each key; a rate of 0 is unlimited."""

    def __init__(self, rate: float, burst: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def wait(self, key: Hashable, tokens: float = 1.0) -> float:
        """Take tokens from the bucket of `key`, as `Bucket.wait` does."""
        if not self._rate:
            return 0.0
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, self._burst, self._clock)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.wait(tokens)

    def peek(self, key: Hashable) -> float:
        """Return the result of `wait` for one token; take none."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else bucket.peek()


def retry_after(seconds: float) -> int:
    """Return the Retry-After header for a wait: whole seconds, one at least."""
    return max(1, math.ceil(seconds))


def per_minute(rate: int, clock: Clock = SYSTEM_CLOCK) -> Buckets:
    """Return buckets for `rate` tokens a minute, as many at once; 0 for no bound."""
    return Buckets(rate / 60, rate, clock)
