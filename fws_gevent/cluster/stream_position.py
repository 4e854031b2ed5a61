"""A reader's position in a stream, and whether an entry is the next one, a known one or too far."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ..redis_io.entries import Entry, Id


class StreamPosition(NamedTuple):
    """The last entry seen. Its nonce proves later that the stream is still the same one."""

    id: Id
    nonce: bytes
    epoch: bytes


class Verdict(Enum):
    """The relation of an entry to a position."""

    NEXT = "next"
    SEEN = "seen"
    HOLE = "hole"
    """Entries between the position and this one are missing, or it is of another stream."""


class StreamCursor:
    """Moves along a stream. `position` is None until the end of the stream is known."""

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position: StreamPosition | None = None

    def is_foreign(self, entry: Entry) -> bool:
        """Return whether an entry is of another stream than the position."""
        return self.position is None or entry.epoch != self.position.epoch

    def is_hole(self, entry: Entry) -> bool:
        """Return whether entries before this one are missing, or it is foreign."""
        position = self.position
        if position is None or entry.epoch != position.epoch:
            return True
        return entry.id > position.id and entry.previous != position.id

    def offer(self, entry: Entry) -> Verdict:
        """Return the verdict on an entry from the channel; move to it if it is the next one."""
        position = self.position
        if position is None or entry.epoch != position.epoch:
            return Verdict.HOLE
        if entry.previous == position.id:
            self.position = StreamPosition(entry.id, entry.nonce, entry.epoch)
            return Verdict.NEXT
        return Verdict.SEEN if entry.id <= position.id else Verdict.HOLE
