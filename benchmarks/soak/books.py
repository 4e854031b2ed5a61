"""What was published and what arrived, and whether the two agree. Knows nothing of servers.

Moments are whole numbers from one counter of the program that keeps the books, so they order all
that it did: what was acknowledged before something else was asked for comes earlier in a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

LATE = "late"
"""The reason that is told to who joined while Redis was away."""


@dataclass
class Message:
    """A message to a stream; `acknowledged` is None for as long as nobody said that Redis has it.

    `exclude` is the connection that must not get it.
    """

    stream: str
    asked: int
    acknowledged: int | None = None
    exclude: str = ""

    def is_before(self, other: Message) -> bool:
        """Whether it was done with before the other one was begun."""
        return self.acknowledged is not None and self.acknowledged < other.asked


class Gap(NamedTuple):
    """A notice that messages of a stream are missing."""

    stream: str
    reason: str


@dataclass
class Connection:
    """A client's connection, with the moments at which it knew that it had joined streams.

    `received` are ids of messages, and notices, as they came. `stayed` says that it was there at
    the end, so that all had to arrive; one that was dropped is judged up to what came last.
    """

    name: str
    joined: dict[str, int] = field(default_factory=dict)
    received: list[str | Gap] = field(default_factory=list)
    stayed: bool = False


@dataclass
class Balance:
    """What is wrong, in words; nothing of it may be."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and never there, though its reader was; or never sent to that reader."""
    duplicated: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    """Acknowledged, and left out, without a word, before something later."""
    stray: list[str] = field(default_factory=list)
    """What nobody published to that reader."""
    needless: list[str] = field(default_factory=list)
    """Gaps that were told though Redis has forgotten nothing."""

    def counts(self) -> dict[str, int]:
        """How many there are of each."""
        return {name: len(found) for name, found in vars(self).items()}

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def lines(self) -> Iterator[str]:
        """All of them, one in a line."""
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

        `durable`: Redis forgot nothing, so a gap excuses only who joined while it was away.
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
                continue  # it may have been on its way when the connection ended
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
        """The places of the last one before, and the first one after, a message that is missing.

        They are known by when they were published, and by how they came to other readers.
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
    """What a connection got of one stream."""

    def __init__(self, books: Books, connection: Connection, stream: str) -> None:
        self.name = connection.name
        self.stream = stream
        self.joined = connection.joined.get(stream)
        self.stayed = connection.stayed
        self.places: dict[str, int] = {}
        """Where each message stands in all that came, for the first time."""
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
        """Write down what came twice."""
        found.duplicated.extend(f"{each} at {self.name}" for each in self._twice)

    def at(self, place: int) -> str:
        """What stands at a place."""
        return str(self._connection.received[place])


def total(balances: Iterable[Balance]) -> dict[str, int]:
    """The counts of many balances, added up."""
    sums = Balance().counts()
    for each in balances:
        for name, count in each.counts().items():
            sums[name] += count
    return sums
