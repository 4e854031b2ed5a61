"""A state that gets one log line, however many events find it."""

from __future__ import annotations


class Notice:
    """A state that is reported once: `begins` is true once until `is_over` is called."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told = False

    def begins(self) -> bool:
        """Return whether to report the state: True unless it was reported and is not over."""
        told, self._told = self._told, True
        return not told

    def is_over(self) -> None:
        """End the state, so that the next one is reported again."""
        self._told = False
