"""Entries that expire, with a limit for all of them and one for each owner."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from ..errors import StoreFull

V = TypeVar("V")


class Expiring(Generic[V]):
    """Up to `limit` entries, and up to `each` of one owner, in the order of their arrival.

    A new entry replaces the oldest one of an owner that has `each`. At `limit` it replaces the
    oldest of all with `evicts`; without it, `put` raises StoreFull, in which `what` names the
    entries. Times are seconds since 1970.
    """

    def __init__(self, what: str, limit: int, each: int, *, evicts: bool = False) -> None:
        self._what = what
        self._limit = limit
        self._each = each
        self._evicts = evicts
        self._entries: OrderedDict[str, tuple[float, str, V]] = OrderedDict()
        self._of_owner: dict[str, OrderedDict[str, None]] = {}

    def __repr__(self) -> str:
        return f"<{len(self)} {self._what}: {', '.join(self._entries)}>"

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: str, value: V, owner: str, until: float, now: float) -> None:
        """Keep an entry until `until`, in place of one with that key.

        Raises StoreFull.
        """
        if key in self._entries:
            self._drop(key)
        # All entries live about equally long, so the oldest expire first.
        while self._entries and next(iter(self._entries.values()))[0] <= now:
            self._drop(next(iter(self._entries)))
        mine = self._of_owner.get(owner, ())
        if len(mine) >= self._each:
            self._drop(next(iter(mine)))
        elif len(self._entries) >= self._limit:
            if not self._evicts:
                raise StoreFull(f"no room for more than {self._limit} {self._what}")
            self._drop(next(iter(self._entries)))
        self._entries[key] = (until, owner, value)
        self._of_owner.setdefault(owner, OrderedDict())[key] = None

    def get(self, key: str, now: float) -> V | None:
        """Return an entry that has not expired, or None."""
        until, _, value = self._entries.get(key, (0.0, "", None))
        return value if until > now else None

    def pop(self, key: str, now: float) -> tuple[float, V] | None:
        """Take an entry out; return its expiry and its value, or None for an expired one."""
        if key not in self._entries:
            return None
        until, value = self._drop(key)
        return (until, value) if until > now else None

    def count_of(self, owner: str) -> int:
        """Return how many entries an owner has, also expired ones; see `forget`."""
        return len(self._of_owner.get(owner, ()))

    def forget(self, owner: str, now: float) -> None:
        """Drop the expired entries of an owner."""
        for key in tuple(self._of_owner.get(owner, ())):
            if self._entries[key][0] <= now:
                self._drop(key)

    def _drop(self, key: str) -> tuple[float, V]:
        until, owner, value = self._entries.pop(key)
        mine = self._of_owner[owner]
        del mine[key]
        if not mine:
            del self._of_owner[owner]
        return until, value
