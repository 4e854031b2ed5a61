"""Reading what feeds have missed: many of them in one trip to Redis."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from typing import Any

import gevent
import redis
from gevent.event import Event
from redis.exceptions import NoScriptError

from ..engine.supervision import Loop
from . import entries
from .backoff import Backoff
from .entries import format_id
from .feed import Feed
from .follower import Place
from .publishing import PASSING, StreamTerms
from .scripts import RESUME
from .servers import RedisServers

_log = logging.getLogger("fws_gevent.redis")

FEEDS = 32
"""Feeds that are asked for together."""

ENTRIES, SIZE = 256, 1 << 20
"""Entries, and bytes, of one feed at a time."""


class CatchUp:
    """Asks Redis how the streams of feeds go on, until it has answered for each of them."""

    def __init__(self, servers: RedisServers, terms: StreamTerms) -> None:
        self._servers = servers
        self._terms = terms
        self._feeds: deque[Feed] = deque()
        self._something = Event()
        self._stopping = False
        self.loop = Loop("stream reader", self._live)
        self.loop.start()

    def put(self, feed: Feed) -> None:
        """Read on for a feed, soon."""
        if not feed.queued:
            feed.queued = True
            self._feeds.append(feed)
            self._something.set()

    def stop(self, timeout: float) -> None:
        """End; waits for `timeout` seconds at most."""
        self._stopping = True
        self._something.set()
        self.loop.join(timeout)

    def _live(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            self._something.wait()
            feeds = self._next()
            if not feeds:
                self._something.clear()
                continue
            try:
                answers = self._ask(feeds)
            except Exception as error:  # noqa: BLE001 - redis-py has some that are no RedisError
                _log.debug("can't read on: %s", error)
                answers = [error] * len(feeds)
            failed = [each for each, answer in zip(feeds, answers, strict=True)
                      if not self._answered(each, answer)]  # fmt: skip
            if failed:
                for feed in failed:
                    self.put(feed)
                self._load_if_needed(answers)
                gevent.sleep(backoff.seconds())
            else:
                backoff.reset()

    def _next(self) -> list[Feed]:
        feeds: list[Feed] = []
        while self._feeds and len(feeds) < FEEDS:
            feed = self._feeds.popleft()
            feed.queued = False
            if not feed.closed:
                feeds.append(feed)
        return feeds

    def _ask(self, feeds: list[Feed]) -> list[Any]:
        pipeline = self._servers.client.pipeline(transaction=False)
        for feed in feeds:
            fresh = secrets.token_hex(8)
            # An answer before this one may have made it live; what comes now would come twice.
            feed.live = False
            place = feed.place
            seen = ("", "", "") if place is None else (format_id(place.id), *place[1:])
            args = [*seen, ENTRIES, SIZE, fresh, fresh, self._terms.life_ms,
                    self._servers.publish_command]  # fmt: skip
            self._servers.run(pipeline, RESUME, [feed.channel], args)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def _answered(self, feed: Feed, answer: Any) -> bool:
        """Tell a feed how it goes on; False if Redis didn't say."""
        if feed.closed:
            return True  # who joins its group now follows anew, and gets nothing older
        if isinstance(answer, Exception):
            if not isinstance(answer, (*PASSING, redis.ConnectionError, redis.TimeoutError)):
                _log.error("can't follow %s: %s", feed.channel.decode(errors="replace"), answer)
            return False
        state, place, found, more = answer
        last = Place(entries.parse_id(place[0]), place[1], place[2])
        pairs = [(each[0], _pairs(each[1])) for each in found]
        if feed.resumed(state, last, pairs, bool(more)):
            self.put(feed)
        return True

    def _load_if_needed(self, answers: list[Any]) -> None:
        if any(isinstance(answer, NoScriptError) for answer in answers):
            try:
                self._servers.load(RESUME)
            except (redis.RedisError, OSError) as error:
                _log.debug("can't load a script: %s", error)


def _pairs(fields: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))
