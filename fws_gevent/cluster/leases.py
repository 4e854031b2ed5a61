"""The leases of other nodes: a node whose lease lasts is alive, even if Redis has lost its key."""

from __future__ import annotations

from collections.abc import Mapping

from ..clock import SYSTEM_CLOCK, Clock

ENDED = b"-"
"""The value under the key of a node's former name, whose members are to be removed."""


class Leases:
    """Compares the status of each node with its status at the check before.

    A status that changed was written after the earlier check, with a lease of `seconds`. So the
    lease lasts at least until `seconds` after that check. If its key is gone earlier, Redis has
    lost it.
    """

    def __init__(self, seconds: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._seconds = seconds
        self._looked = 0.0
        self._said: dict[str, bytes] = {}
        self._until: dict[str, float] = {}

    def note(self, looked: float, said: Mapping[str, bytes | None]) -> None:
        """Note the status of all nodes at a check that began at the monotonic time `looked`."""
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
        """Return whether a node's lease is certain to last still."""
        return self._clock.monotonic() < self._until.get(name, 0.0)
