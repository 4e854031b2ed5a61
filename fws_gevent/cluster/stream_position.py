"""Following a stream: which entry is the next, which was seen, and where something is missing."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ..redis_io.entries import Entry, Id


class StreamPosition(NamedTuple):
    """The last entry seen. The nonce proves that a stream found later is still the same."""

    id: Id
    nonce: bytes
    epoch: bytes


class Verdict(Enum):
    """What an entry is to a cursor."""

    NEXT = "next"
    SEEN = "seen"
    HOLE = "hole"
    """Something between the last entry and this one is missing, or the stream is another."""


class StreamCursor:
    """One who reads a stream; `position` is None before its beginning is known."""

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position: StreamPosition | None = None

    def is_foreign(self, entry: Entry) -> bool:
        """Return whether an entry is of another stream than the last one seen."""
        return self.position is None or entry.epoch != self.position.epoch

    def is_hole(self, entry: Entry) -> bool:
        """Whether something between the last entry and this one is missing, or it is foreign."""
        position = self.position
        if position is None or entry.epoch != position.epoch:
            return True
        return entry.id > position.id and entry.previous != position.id

    def offer(self, entry: Entry) -> Verdict:
        """What an entry is that came over the channel; the next one becomes the last seen."""
        position = self.position
        if position is None or entry.epoch != position.epoch:
            return Verdict.HOLE
        if entry.previous == position.id:
            self.position = StreamPosition(entry.id, entry.nonce, entry.epoch)
            return Verdict.NEXT
        return Verdict.SEEN if entry.id <= position.id else Verdict.HOLE
