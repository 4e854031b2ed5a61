"""The default storage object: this process's memory."""

from __future__ import annotations

from typing import Any

from .base import BaseStorageObject


class MemoryStorageObject(BaseStorageObject):
    """Keeps its sets in a dict of its own; gone with the process, and seen by it alone."""

    def __init__(self) -> None:
        self._sets: dict[Any, set[Any]] = {}

    def get(self, key: Any) -> set[Any] | None:
        """The live set under `key`, or None; copy it before a loop that adds or removes."""
        return self._sets.get(key)

    def add(self, key: Any, value: Any) -> None:
        """Put `value` among those under `key`."""
        self._sets.setdefault(key, set()).add(value)

    def remove(self, key: Any, value: Any) -> None:
        """Take `value` out from under `key`; an emptied set goes too, so that no key leaks."""
        values = self._sets.get(key)
        if values is None:
            return
        values.discard(value)
        if not values:
            del self._sets[key]

    def __str__(self) -> str:
        return "memory (this process only)"
