"""What every storage object can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from typing import Any


class BaseStorageObject(ABC):
    """Sets of values under keys, shared by the filters of a server.

    `shared` says whether other processes see the same data; without it, each worker of a
    server with several has a storage of its own.
    """

    shared = False

    @property
    def healthy(self) -> bool:
        """Return whether it can be used now; without it a server isn't ready."""
        return True

    @abstractmethod
    def get(self, key: Any) -> AbstractSet[Any] | None:
        """The values under `key`, or None if there are none."""

    def __getitem__(self, key: Any) -> AbstractSet[Any]:
        """The values under `key`; an empty set if there are none."""
        values = self.get(key)
        return frozenset() if values is None else values

    @abstractmethod
    def add(self, key: Any, value: Any) -> None:
        """Put `value` among those under `key`."""

    @abstractmethod
    def remove(self, key: Any, value: Any) -> None:
        """Take `value` out from under `key`; nothing happens if it isn't there."""

    def __str__(self) -> str:
        """A name for the start-up lines."""
        return type(self).__name__
