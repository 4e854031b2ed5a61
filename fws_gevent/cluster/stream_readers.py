"""The streams that a node follows: everybody's, and one for each group that has members here."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent import get_hub
from greenlet import getcurrent

from ..clock import SYSTEM_CLOCK, Clock
from ..loop.inbox import Inbox
from ..redis_io.keys import Keys
from .effects import Effects
from .shard import Shards
from .stream_reader import StreamReader

JOIN_TIMEOUT = 2.0
"""Seconds that a join waits at most until Redis has confirmed that the group is followed."""


class StreamReaders:
    """Starts to follow a stream with the first member of a group, and stops with the last one.

    `gap` is called with a group and a reason for missing messages. `make_inbox` makes a queue for
    effects that may wait.
    """

    def __init__(
        self,
        shards: Shards,
        keys: Keys,
        effects: Effects,
        gap: Callable[[str | None, str], None],
        make_inbox: Callable[[], Inbox],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._shards = shards
        self._keys = keys
        self._effects = effects
        self._gap = gap
        self._make_inbox = make_inbox
        self._clock = clock
        self.everybody = self._add(None)

    def start(self) -> bool:
        """Follow everybody's stream; return whether Redis confirmed it in time."""
        self._shards.follow(self.everybody)
        if self.everybody.ready.wait(JOIN_TIMEOUT):
            return True
        self.everybody.gap_due = True  # connections from now on are told of a gap
        return False

    def join(self, group: str, *, first: bool, wait: bool) -> None:
        """Follow a group's stream from its first member on.

        With `wait`, return when Redis has confirmed it or `JOIN_TIMEOUT` is over, but in the hub
        never wait.
        """
        reader = self._add(group) if first else self._shards.readers.get(self._keys.stream(group))
        if reader is None or reader.ready.is_set():
            return  # without a reader, all members have left meanwhile
        if wait and getcurrent() is not get_hub():
            self._finish_join(reader, first=first)
        else:
            if reader.joined_at is None:
                reader.joined_at = self._clock.monotonic()
            gevent.spawn(self._finish_join, reader, first=first)

    def leave(self, group: str) -> None:
        """Stop following a group's stream. Never waits."""
        reader = self._shards.readers.get(self._keys.stream(group))
        if reader is not None:
            self._shards.leave(reader)

    def wait_for_joins(self, stream: bytes, seconds: float) -> None:
        """Wait for joins to a stream that have begun, for at most `seconds`.

        A message that is published after that reaches their connections.
        """
        reader = self._shards.readers.get(stream)
        if reader is not None and not (reader.ready.is_set() or reader.gap_due):
            reader.ready.wait(seconds)

    def _add(self, group: str | None) -> StreamReader:
        stream = self._keys.stream(group)
        reader = StreamReader(
            group, stream, self._effects, self._gap, self._shards.catch_up, self._make_inbox
        )
        self._shards.readers[stream] = reader
        return reader

    def _finish_join(self, reader: StreamReader, *, first: bool) -> None:
        """Wait until a stream is followed; after a timeout, a gap will be reported."""
        if first:
            self._shards.follow(reader)
        if reader.closed:
            return
        failing = self._shards.of(reader.channel).subscription.failing
        if failing or not reader.ready.wait(JOIN_TIMEOUT):
            reader.gap_due = not reader.ready.is_set()
