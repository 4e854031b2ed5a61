"""Compare the published messages with the received ones, without knowing servers.

Moments are integers from one counter of the program that keeps the books, so they order its
actions: a message acknowledged before another was requested is earlier in the stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

LATE = "late"
"""The reason of a gap after a join without Redis."""


@dataclass
class Message:
    """A message to a stream; `acknowledged` is None until Redis has confirmed it.

    `exclude` is the connection that must not get it.
    """

    stream: str
    asked: int
    acknowledged: int | None = None
    exclude: str = ""

    def is_before(self, other: Message) -> bool:
        """Return whether this message was completed before the other was begun."""
        return self.acknowledged is not None and self.acknowledged < other.asked


class Gap(NamedTuple):
    """A notice that messages of a stream are missing."""

    stream: str
    reason: str


@dataclass
class Connection:
    """A client's connection, with the moments at which it knew that it had joined streams.

    `received` has ids of messages, and notices, in order. `stayed` means that it was open at the
    end, so that all messages must have arrived; a closed one is judged up to its last message.
    """

    name: str
    joined: dict[str, int] = field(default_factory=dict)
    received: list[str | Gap] = field(default_factory=list)
    stayed: bool = False


@dataclass
class Balance:
    """The errors, in words; there must be none."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged messages that a reader never got."""
    duplicated: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    """Acknowledged messages that are missing before a later one, without a notice."""
    stray: list[str] = field(default_factory=list)
    """Messages that were not published to that reader."""
    needless: list[str] = field(default_factory=list)
    """Gaps that were reported although Redis has lost nothing."""

    def counts(self) -> dict[str, int]:
        """Return the number of each kind."""
        return {name: len(found) for name, found in vars(self).items()}

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def lines(self) -> Iterator[str]:
        """Yield all errors, one per line."""
        for name, found in vars(self).items():
            for each in found:
                yield f"{name}: {each}"


@dataclass
class Books:
    """All messages by their ids, and all connections."""

    messages: dict[str, Message] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)

    def balance(self, durable: bool) -> Balance:
        """Compare what arrived with what was published.

        `durable`: Redis lost nothing, so a gap excuses only connections that joined without it.
        """
        found = Balance()
        for stream in sorted({each.stream for each in self.messages.values()}):
            readers = [_Reader(self, each, stream) for each in self.connections]
            for reader in readers:
                reader.find_duplicates(found)
            self._find_disorder(readers, found)
            for reader in readers:
                self._find_missing(reader, readers, durable, found)
        for connection in self.connections:
            self._find_strays(connection, durable, found)
        return found

    def _find_strays(self, connection: Connection, durable: bool, found: Balance) -> None:
        for each in connection.received:
            if isinstance(each, Gap):
                if durable and each.reason != LATE:
                    found.needless.append(f"{each.stream} {each.reason} at {connection.name}")
                continue
            message = self.messages.get(each)
            if message is None or message.exclude == connection.name:
                found.stray.append(f"{each} at {connection.name}")

    def _find_disorder(self, readers: list[_Reader], found: Balance) -> None:
        for number, reader in enumerate(readers):
            latest = ""
            for each in reader.order:
                message = self.messages[each]
                if latest and message.is_before(self.messages[latest]):
                    found.disordered.append(f"{each} after {latest} at {reader.name}")
                if not latest or message.asked > self.messages[latest].asked:
                    latest = each
            for other in readers[:number]:
                common = [each for each in reader.order if each in other.places]
                for earlier, later in pairwise(common):
                    if other.places[earlier] > other.places[later]:
                        found.disordered.append(
                            f"{earlier} before {later} at {reader.name}, not at {other.name}"
                        )

    def _find_missing(
        self, reader: _Reader, readers: list[_Reader], durable: bool, found: Balance
    ) -> None:
        if reader.joined is None:
            return
        for name, message in self.messages.items():
            if (
                message.stream != reader.stream
                or message.acknowledged is None
                or message.asked < reader.joined
                or message.exclude == reader.name
                or name in reader.places
            ):
                continue
            earlier, later = self._neighbours(name, reader, readers)
            if later is None and not reader.stayed:
                continue  # it may have been in transit when the connection ended
            if any(
                earlier < place and (later is None or place < later)
                for place, gap in reader.gaps
                if not durable or gap.reason == LATE
            ):
                continue
            if later is None:
                found.lost.append(f"{name} at {reader.name}")
            else:
                found.untold.append(f"{name} at {reader.name}, before {reader.at(later)}")

    def _neighbours(
        self, name: str, reader: _Reader, readers: list[_Reader]
    ) -> tuple[int, int | None]:
        """Return the places of the messages before and after a missing one.

        They follow from the times of publishing, and from the order for other readers.
        """
        missing = self.messages[name]
        witnesses = [each for each in readers if name in each.places]
        earlier, later = -1, None
        for other, place in reader.places.items():
            message = self.messages[other]
            if message.is_before(missing) or any(
                each.places.get(other, each.places[name]) < each.places[name] for each in witnesses
            ):
                earlier = max(earlier, place)
            elif missing.is_before(message) or any(
                each.places.get(other, each.places[name]) > each.places[name] for each in witnesses
            ):
                later = place if later is None else min(later, place)
        return earlier, later


class _Reader:
    """Return the messages of one stream that a connection got."""

    def __init__(self, books: Books, connection: Connection, stream: str) -> None:
        self.name = connection.name
        self.stream = stream
        self.joined = connection.joined.get(stream)
        self.stayed = connection.stayed
        self.places: dict[str, int] = {}
        """Return the first place of each message among all received ones."""
        self.gaps: list[tuple[int, Gap]] = []
        self._connection = connection
        self._twice: list[str] = []
        for place, each in enumerate(connection.received):
            if isinstance(each, Gap):
                if each.stream == stream:
                    self.gaps.append((place, each))
            elif each in books.messages and books.messages[each].stream == stream:
                if each in self.places:
                    self._twice.append(each)
                else:
                    self.places[each] = place
        self.order = list(self.places)

    def find_duplicates(self, found: Balance) -> None:
        """Record messages that came twice."""
        found.duplicated.extend(f"{each} at {self.name}" for each in self._twice)

    def at(self, place: int) -> str:
        """Return the text at a place."""
        return str(self._connection.received[place])


def total(balances: Iterable[Balance]) -> dict[str, int]:
    """Return the sums of many balances."""
    sums = Balance().counts()
    for each in balances:
        for name, count in each.counts().items():
            sums[name] += count
    return sums
