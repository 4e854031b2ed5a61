"""Has a node know what is revoked: all of it at its start, and again after each gap."""

from __future__ import annotations

import gevent
import redis
from gevent.event import Event

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.backoff import Backoff
from .token_store import RedisTokenStore

_log = get_logger("redis")


class Revocations:
    """Loads what is revoked into a token store, which hears of later revocations by itself.

    `followed` is set once everybody's stream is followed: what is revoked after a load began is
    heard there, so none is missed.
    """

    def __init__(
        self, tokens: RedisTokenStore, followed: Event, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._tokens = tokens
        self._followed = followed
        self._needed = Event()
        self._needed.set()
        self._stopping = False
        self.loop = Loop("revocations", self._live, clock)
        self.loop.start()

    def load(self) -> None:
        """Load all again: entries that say what was revoked may be missing."""
        self._needed.set()

    def stop(self, timeout: float) -> None:
        """End; waits for `timeout` seconds at most."""
        self._stopping = True
        self._tokens.following = False
        self._followed.set()
        self._needed.set()
        self.loop.join(timeout)

    def _live(self) -> None:
        backoff, refused = Backoff(), False
        while True:
            self._needed.wait()
            self._followed.wait()
            if self._stopping:
                return
            try:
                self._tokens.load()
            except (redis.RedisError, OSError) as error:
                if isinstance(error, redis.ResponseError) and not refused:
                    refused = True
                    _log.warning("can't learn what is revoked: %s; trying again", error)
                gevent.sleep(backoff.seconds())
            else:
                self._needed.clear()
                backoff.reset()
                refused = False
