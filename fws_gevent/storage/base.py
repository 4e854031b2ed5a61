"""The contract of storage objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from typing import Any


class BaseStorageObject(ABC):
    """Sets of values under keys, shared by the filters of a server.

    Attributes:
        shared: True if other processes see the same data. Otherwise each worker has its own.
    """

    shared: bool = False

    @property
    def healthy(self) -> bool:
        """Return whether the storage can be used now. Never waits.

        It is True unless a subclass says otherwise. `/fws/readyz` answers 503 while it is False.
        """
        return True

    @abstractmethod
    def get(self, key: Any) -> AbstractSet[Any] | None:
        """Return the set under a key.

        Args:
            key: The key.

        Returns:
            The values, or None if there are none.
        """

    def __getitem__(self, key: Any) -> AbstractSet[Any]:
        """Return the values under a key; an empty set if there are none."""
        values = self.get(key)
        return frozenset() if values is None else values

    @abstractmethod
    def add(self, key: Any, value: Any) -> None:
        """Add a value to the set under a key.

        Args:
            key: The key.
            value: The value.
        """

    @abstractmethod
    def remove(self, key: Any, value: Any) -> None:
        """Remove a value from the set under a key, if it is there.

        Args:
            key: The key.
            value: The value.
        """

    def __str__(self) -> str:
        """Return a description for the log."""
        return type(self).__name__
