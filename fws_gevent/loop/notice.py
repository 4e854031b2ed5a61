"""A state that is worth one log line, however many events meet it."""

from __future__ import annotations


class Notice:
    """Remembers whether a state was told: `begins` is true once, until `is_over`."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told = False

    def begins(self) -> bool:
        """Return whether this is to be told: the state wasn't there before."""
        told, self._told = self._told, True
        return not told

    def is_over(self) -> None:
        """The state ended; the next one is told again."""
        self._told = False
