"""Reading what feeds have missed: many of them in one trip to Redis."""

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
from ..redis_io.servers import Place as ServerName
from ..redis_io.servers import RedisServers
from .stream_position import Place
from .stream_reader import Feed

_log = get_logger("redis")

FEEDS = 32
"""Feeds that are asked for together."""

ENTRIES, SIZE = 512, 4 << 20
"""Entries, and bytes, that all feeds of one trip are answered with together. A single entry that
is larger is read alone."""

WORK = 4096
"""Messages to single connections that the entries of one trip are about, where more than one entry
is read: all of them are sent before anything else has its turn."""

CUTS = 6
"""How often the bounds of a trip are halved at most, for a Redis that is too slow for more."""

LONGEST_PAUSE = 5.0
"""Seconds at most until a feed is asked for again that Redis refused to read."""


class CatchUp:
    """Asks one server of Redis how the streams of feeds go on, until it has answered for each.

    A trip has bounds for all its feeds together, and smaller ones after a trip that failed. A feed
    that Redis refuses to read is put aside, for longer each time, and holds up no other. `route`
    is called with a feed that another server may have by now, and the seconds until it is read.
    """

    def __init__(
        self,
        servers: RedisServers,
        terms: StreamTerms,
        place: ServerName = "",
        route: Callable[[Feed, float], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._servers = servers
        self._terms = terms
        self._place = place
        self._route = route or self.put
        self._feeds: deque[tuple[float, Feed]] = deque()
        self._later: list[tuple[float, int, Feed]] = []
        self._number = count()
        self._cuts = 0
        self._something = Event()
        self._stopping = False
        self.loop = Loop("stream reader", self._live, clock)
        self.loop.start()

    def put(self, feed: Feed, pause: float = 0.0) -> None:
        """Read on for a feed in `pause` seconds, or sooner where that was asked for before."""
        due = self._clock.monotonic() + pause
        if feed.queued and feed.queued <= due:
            return
        feed.queued = due
        if pause:
            heappush(self._later, (due, next(self._number), feed))
        else:
            self._feeds.append((due, feed))
        self._something.set()

    def stop(self, timeout: float) -> None:
        """End; waits for `timeout` seconds at most."""
        self._stopping = True
        self._something.set()
        self.loop.join(timeout)

    def _live(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            feeds = self._next()
            if not feeds:
                self._something.clear()
                self._something.wait(self._seconds_until_later())
            elif self._read(feeds):
                backoff.reset()
            else:
                gevent.sleep(backoff.seconds())

    def _next(self) -> list[Feed]:
        """Return the feeds of the next trip; one whose entries are large has it for itself."""
        now = self._clock.monotonic()
        while self._later and self._later[0][0] <= now:
            due, _, feed = heappop(self._later)
            self._feeds.append((due, feed))
        feeds: list[Feed] = []
        while self._feeds and len(feeds) < max(1, FEEDS >> self._cuts):
            due, feed = self._feeds[0]
            if feed.queued == due and feed.large and feeds and not feed.closed:
                break
            self._feeds.popleft()
            if feed.queued == due:  # else it was asked for in between, sooner than this
                feed.queued = 0.0
                if not feed.closed:
                    feeds.append(feed)
                    if feed.large:
                        break
        return feeds

    def _seconds_until_later(self) -> float | None:
        return max(0.0, self._later[0][0] - self._clock.monotonic()) if self._later else None

    def _read(self, feeds: list[Feed]) -> bool:
        """Read on for feeds in one trip; whether the next one may follow at once."""
        try:
            answers = self._ask(feeds)
        except Exception as error:  # noqa: BLE001 - redis-py has some that are no RedisError
            _log.debug("can't read on: %s", error)
            self._cuts = min(CUTS, self._cuts + 1)
            self._look_again()
            for feed in feeds:
                self._route(feed, 0.0)
            return False
        self._cuts = max(0, self._cuts - 1)
        for feed, answer in zip(feeds, answers, strict=True):
            self._answered(feed, answer)
        return self._mend(answers)

    def _ask(self, feeds: list[Feed]) -> list[Any]:
        pipeline = self._servers.pipeline(self._place)
        for feed in feeds:
            # An answer before this one may have made it live; what comes now would come twice.
            feed.asking()
            self._servers.run(pipeline, RESUME, [feed.channel], self._arguments(feed, len(feeds)))
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def _arguments(self, feed: Feed, sharing: int) -> list[Any]:
        """Return the arguments of the script for one of `sharing` feeds of a trip."""
        place, fresh = feed.place, secrets.token_hex(8)
        seen = ("", "", "") if place is None else (format_id(place.id), *place[1:])
        most = min(ENTRIES, WORK // feed.work)
        count_, size = max(1, most // sharing), (SIZE >> self._cuts) // sharing
        return [*seen, count_, size, fresh, fresh, self._terms.life_ms,
                self._servers.publish_command, int(sharing == 1)]  # fmt: skip

    def _mend(self, answers: list[Any]) -> bool:
        """Do what the answers of a trip show to be needed; whether that could be done."""
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

    def _answered(self, feed: Feed, answer: Any) -> None:
        """Tell a feed how it goes on, or put it aside."""
        if feed.closed:
            return  # who joins its group now follows anew, and gets nothing older
        if isinstance(answer, AskError) and not isinstance(answer, MovedError):
            answer = self._ask_elsewhere(feed, answer)
        if isinstance(answer, Exception):
            self._put_aside(feed, answer)
            return
        try:
            self._go_on(feed, answer)
        except Exception as error:  # noqa: BLE001 - the other feeds have their answers all the same
            self.loop.add(error)
            self.put(feed, LONGEST_PAUSE)

    def _ask_elsewhere(self, feed: Feed, where: AskError) -> Any:
        """Return the answer of the server that a slot is moving to, or the error."""
        try:
            return self._servers.run_at(where, RESUME, [feed.channel], self._arguments(feed, 1))
        except (redis.RedisError, OSError) as error:
            self._look_again()
            return error

    def _put_aside(self, feed: Feed, error: Exception) -> None:
        if isinstance(error, NoScriptError):
            self.put(feed)
            return
        feed.failures += 1
        passing = isinstance(error, (*PASSING, redis.ConnectionError, redis.TimeoutError))
        if feed.failures == 1 and not passing:
            _log.error("can't follow %s: %s", feed.channel.decode(errors="replace"), error)
        longest = LONGEST if passing else LONGEST_PAUSE
        self._route(feed, pause_after(feed.failures, longest))

    def _go_on(self, feed: Feed, answer: Any) -> None:
        state, place, found, more = answer
        feed.failures = 0
        feed.large = bool(more) and (feed.large or not found)
        last = Place(entries.parse_id(place[0]), place[1], place[2])
        pairs = [(each[0], _pairs(each[1])) for each in found]
        if feed.resumed(state, last, pairs, bool(more)):
            self.put(feed)


def _pairs(fields: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))
