"""Loads all revocations when a node starts, and again after each gap in everybody's stream."""

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
    """Loads revocations into a token store, which gets later ones from everybody's stream.

    `followed` is set when that stream is followed. A load starts after that, so that no revocation
    is missed.
    """

    def __init__(
        self, tokens: RedisTokenStore, followed: Event, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._tokens = tokens
        self._followed = followed
        self._needed = Event()
        self._needed.set()
        self._stopping = False
        self.loop = Loop("revocations", self._run, clock)
        self.loop.start()

    def load(self) -> None:
        """Load all revocations again, as some may have been missed."""
        self._needed.set()

    def stop(self, timeout: float) -> None:
        """Stop; wait for at most `timeout` seconds."""
        self._stopping = True
        self._tokens.following = False
        self._followed.set()
        self._needed.set()
        self.loop.join(timeout)

    def _run(self) -> None:
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
