"""Reads the entries that stream readers have missed, for many of them in one request to Redis."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import gevent
import redis
from gevent.event import Event
from redis.exceptions import AskError, MovedError, NoScriptError

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io import entries
from ..redis_io.backoff import LONGEST, Backoff, pause_after
from ..redis_io.entries import format_id
from ..redis_io.publishing import PASSING, StreamTerms
from ..redis_io.scripts import RESUME
from ..redis_io.servers import RedisServers, ServerName
from .stream_position import StreamPosition
from .stream_reader import StreamReader

_log = get_logger("redis")

READERS = 32
"""Stream readers in one request."""

ENTRIES, SIZE = 512, 4 << 20
"""Entries, and bytes, in the answer to one request, for all its readers together. A single entry
that is larger is read alone."""

WORK = 4096
"""Messages to single connections that the entries of one request may cause, where it reads more
than one: all of them are sent before other greenlets run."""

CUTS = 6
"""Times that the bounds of a request are halved at most, for a Redis that answers too slowly."""

EARLIER = 100
"""Milliseconds before a join that did not wait, from which on its entries are read: a request takes
a while to Redis, whose time counts."""

LONGEST_PAUSE = 5.0
"""Seconds at most between two attempts to read a stream that Redis refuses to read."""


class CatchUp:
    """Asks one server of Redis how streams go on, until it has answered for each reader.

    The readers of one request share its bounds, which are smaller after a request that failed. A
    stream that Redis refuses to read is put aside, longer each time, and delays no other. `route`
    is called with a reader whose stream may be on another server by now, and a pause in seconds.
    """

    def __init__(
        self,
        servers: RedisServers,
        terms: StreamTerms,
        server: ServerName = "",
        route: Callable[[StreamReader, float], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._servers = servers
        self._terms = terms
        self._server = server
        self._route = route or self.put
        self._readers: deque[tuple[float, StreamReader]] = deque()
        self._later: list[tuple[float, int, StreamReader]] = []
        self._number = count()
        self._cuts = 0
        self._wake = Event()
        self._stopping = False
        self.loop = Loop("stream reader", self._run, clock)
        self.loop.start()

    def put(self, reader: StreamReader, pause: float = 0.0) -> None:
        """Read on for a reader in `pause` seconds, or sooner if that is due already."""
        due = self._clock.monotonic() + pause
        if reader.queued and reader.queued <= due:
            return
        reader.queued = due
        if pause:
            heappush(self._later, (due, next(self._number), reader))
        else:
            self._readers.append((due, reader))
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Stop; wait for at most `timeout` seconds."""
        self._stopping = True
        self._wake.set()
        self.loop.join(timeout)

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            readers = self._next()
            if not readers:
                self._wake.clear()
                self._wake.wait(self._seconds_until_later())
            elif self._read(readers):
                backoff.reset()
            else:
                gevent.sleep(backoff.seconds())

    def _next(self) -> list[StreamReader]:
        """Return the readers of the next request; one whose entries are large is alone in it."""
        now = self._clock.monotonic()
        while self._later and self._later[0][0] <= now:
            due, _, reader = heappop(self._later)
            self._readers.append((due, reader))
        readers: list[StreamReader] = []
        while self._readers and len(readers) < max(1, READERS >> self._cuts):
            due, reader = self._readers[0]
            if reader.queued == due and reader.large and readers and not reader.closed:
                break
            self._readers.popleft()
            if reader.queued == due:  # otherwise it has another entry, which is due sooner
                reader.queued = 0.0
                if not reader.closed:
                    readers.append(reader)
                    if reader.large:
                        break
        return readers

    def _seconds_until_later(self) -> float | None:
        return max(0.0, self._later[0][0] - self._clock.monotonic()) if self._later else None

    def _read(self, readers: list[StreamReader]) -> bool:
        """Read on for readers in one request; return whether the next may follow at once."""
        try:
            answers = self._ask(readers)
        except Exception as error:  # noqa: BLE001 - redis-py raises others than RedisError, too
            _log.debug("can't read on: %s", error)
            self._cuts = min(CUTS, self._cuts + 1)
            self._look_again()
            for reader in readers:
                self._route(reader, 0.0)
            return False
        self._cuts = max(0, self._cuts - 1)
        for reader, answer in zip(readers, answers, strict=True):
            self._answered(reader, answer)
        return self._mend(answers)

    def _ask(self, readers: list[StreamReader]) -> list[Any]:
        pipeline = self._servers.pipeline(self._server)
        for reader in readers:
            # The answer before may have set it live: entries that are pushed now would come twice.
            reader.asking()
            self._servers.run(
                pipeline, RESUME, [reader.channel], self._arguments(reader, len(readers))
            )
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def _arguments(self, reader: StreamReader, sharing: int) -> list[Any]:
        """Return the arguments of the script for one of `sharing` readers of a request."""
        position, fresh = reader.position, secrets.token_hex(8)
        seen = ("", "", "") if position is None else (format_id(position.id), *position[1:])
        most = min(ENTRIES, WORK // reader.work)
        count_, size = max(1, most // sharing), (SIZE >> self._cuts) // sharing
        return [*seen, count_, size, fresh, fresh, self._terms.life_ms,
                self._servers.publish_command, int(sharing == 1), self._back(reader)]  # fmt: skip

    def _back(self, reader: StreamReader) -> int:
        """Return the milliseconds back from now from which a first request reads; 0 for none."""
        if reader.joined_at is None:
            return 0
        return int((self._clock.monotonic() - reader.joined_at) * 1000) + EARLIER

    def _mend(self, answers: list[Any]) -> bool:
        """Ask for slots again or load the script, if an answer says so; return False on failure."""
        if any(isinstance(answer, MovedError) for answer in answers):
            self._look_again()
        if any(isinstance(answer, NoScriptError) for answer in answers):
            try:
                self._servers.load(RESUME)
            except (redis.RedisError, OSError) as error:
                _log.debug("can't load a script: %s", error)
                return False
        return True

    def _look_again(self) -> None:
        try:
            self._servers.look_again()
        except (redis.RedisError, OSError) as error:
            _log.debug("can't find out which server has what: %s", error)

    def _answered(self, reader: StreamReader, answer: Any) -> None:
        """Give a reader the answer about its stream, or put it aside."""
        if reader.closed:
            return  # a later join follows the stream with a new reader
        if isinstance(answer, AskError) and not isinstance(answer, MovedError):
            answer = self._ask_elsewhere(reader, answer)
        if isinstance(answer, Exception):
            self._put_aside(reader, answer)
            return
        try:
            self._go_on(reader, answer)
        except Exception as error:  # noqa: BLE001 - the other readers get their answers all the same
            self.loop.add(error)
            self.put(reader, LONGEST_PAUSE)

    def _ask_elsewhere(self, reader: StreamReader, where: AskError) -> Any:
        """Return the answer of the server that a slot is moving to, or the error."""
        try:
            return self._servers.run_at(where, RESUME, [reader.channel], self._arguments(reader, 1))
        except (redis.RedisError, OSError) as error:
            self._look_again()
            return error

    def _put_aside(self, reader: StreamReader, error: Exception) -> None:
        if isinstance(error, NoScriptError):
            self.put(reader)
            return
        reader.failures += 1
        passing = isinstance(error, (*PASSING, redis.ConnectionError, redis.TimeoutError))
        if reader.failures == 1 and not passing:
            _log.error("can't follow %s: %s", reader.channel.decode(errors="replace"), error)
        longest = LONGEST if passing else LONGEST_PAUSE
        self._route(reader, pause_after(reader.failures, longest))

    def _go_on(self, reader: StreamReader, answer: Any) -> None:
        state, position, found, more = answer
        reader.failures = 0
        reader.large = bool(more) and (reader.large or not found)
        last = StreamPosition(entries.parse_id(position[0]), position[1], position[2])
        pairs = [(each[0], _pairs(each[1])) for each in found]
        if reader.resumed(state, last, pairs, bool(more)):
            self.put(reader)


def _pairs(fields: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))
