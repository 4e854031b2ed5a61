"""Which nodes must still be alive, though Redis may have lost what they said of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from ..clock import SYSTEM_CLOCK, Clock

ENDED = b"-"
"""Is under the key of a name that a node has given up, with members that are to be cleared away."""


class Leases:
    """Compares what nodes say at each look with what they said at the one before.

    A text that changed was written after the earlier look, with a lease of `seconds`. So the lease
    can't be over before that look and `seconds` more; where its key is gone, Redis has lost it.
    """

    def __init__(self, seconds: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._seconds = seconds
        self._looked = 0.0
        self._said: dict[str, bytes] = {}
        self._until: dict[str, float] = {}

    def note(self, looked: float, said: Mapping[str, bytes | None]) -> None:
        """Note what nodes say by a look that began at `looked`, in monotonic time."""
        until: dict[str, float] = {}
        for name, text in said.items():
            before = self._said.get(name)
            if text == ENDED:
                continue
            if text and before not in (None, text):
                until[name] = self._looked + self._seconds
            elif name in self._until:
                until[name] = self._until[name]
        self._until = until
        self._said = {name: text for name, text in said.items() if text}
        self._looked = looked

    def lasts(self, name: str) -> bool:
        """Return whether a node's lease can't be over yet."""
        return self._clock.monotonic() < self._until.get(name, 0.0)
