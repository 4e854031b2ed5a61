"""Following a stream: which entry is the next, which was seen, and where something is missing."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ..redis_io.entries import Entry, Id


class Place(NamedTuple):
    """The last entry seen. The nonce proves that a stream found later is still the same."""

    id: Id
    nonce: bytes
    epoch: bytes


class Verdict(Enum):
    """What an entry is to a follower."""

    NEXT = "next"
    SEEN = "seen"
    HOLE = "hole"
    """Something between the last entry and this one is missing, or the stream is another."""


class Follower:
    """One who reads a stream; `place` is None before its beginning is known."""

    __slots__ = ("place",)

    def __init__(self) -> None:
        self.place: Place | None = None

    def is_foreign(self, entry: Entry) -> bool:
        """Return whether an entry is of another stream than the last one seen."""
        return self.place is None or entry.epoch != self.place.epoch

    def is_hole(self, entry: Entry) -> bool:
        """Whether something between the last entry and this one is missing, or it is foreign."""
        place = self.place
        if place is None or entry.epoch != place.epoch:
            return True
        return entry.id > place.id and entry.previous != place.id

    def offer(self, entry: Entry) -> Verdict:
        """What an entry is that came over the channel; the next one becomes the last seen."""
        place = self.place
        if place is None or entry.epoch != place.epoch:
            return Verdict.HOLE
        if entry.previous == place.id:
            self.place = Place(entry.id, entry.nonce, entry.epoch)
            return Verdict.NEXT
        return Verdict.SEEN if entry.id <= place.id else Verdict.HOLE
