"""The default storage object: this process's memory."""

from __future__ import annotations

from typing import Any

from .base import BaseStorageObject


class MemoryStorageObject(BaseStorageObject):
    """Sets in the memory of this process, not visible to others, and lost at its end."""

    def __init__(self) -> None:
        self._sets: dict[Any, set[Any]] = {}

    def get(self, key: Any) -> set[Any] | None:
        """Return the live set under a key; copy it before a loop that changes it.

        Args:
            key: The key.

        Returns:
            The set, or None if there is none.
        """
        return self._sets.get(key)

    def add(self, key: Any, value: Any) -> None:
        """Add a value to the set under a key.

        Args:
            key: The key.
            value: The value, which must be hashable.
        """
        self._sets.setdefault(key, set()).add(value)

    def remove(self, key: Any, value: Any) -> None:
        """Remove a value from the set under a key, if it is there, and an empty set.

        Args:
            key: The key.
            value: The value.
        """
        values = self._sets.get(key)
        if values is None:
            return
        values.discard(value)
        if not values:
            del self._sets[key]

    def __str__(self) -> str:
        return "memory (this process only)"
