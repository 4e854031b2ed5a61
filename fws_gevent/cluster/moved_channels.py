"""Finds channels again that a server of a Redis Cluster ended because their slot has moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import gevent
import redis
from gevent.event import Event

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.backoff import Backoff

_log = get_logger("redis")

ATTEMPTS = 20
"""Questions to the cluster for the server of a slot, until the old one counts as the right one."""

Server = TypeVar("Server")


class MovedChannels(Generic[Server]):
    """Finds the new server of each such channel. Other channels are not affected meanwhile.

    `look_again()` asks the cluster for its slots, and `server_of(channel)` returns the known server
    of a channel. `follow(channel)` is called when that is not the server any more that ended it.
    """

    def __init__(
        self,
        look_again: Callable[[], None],
        server_of: Callable[[bytes], Server],
        follow: Callable[[bytes], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._look_again = look_again
        self._server_of = server_of
        self._follow = follow
        self._moved: dict[bytes, tuple[Server, int]] = {}  # with the attempts so far
        self._wake = Event()
        self._stopping = False
        self.loop = Loop("moved channels", self._run, clock)

    @property
    def pending(self) -> bool:
        """Return whether there are channels that are not listened to at any server."""
        return bool(self._moved)

    def put(self, channel: bytes, server: Server) -> None:
        """Look for the server of a channel that `server` ended."""
        self._moved[channel] = server, 0
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Stop; wait for at most `timeout` seconds."""
        self._stopping = True
        self._wake.set()
        self.loop.join(timeout)

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            if not self._moved:
                backoff.reset()
                self._wake.clear()
                self._wake.wait()
                continue
            self._find()
            if self._moved:
                gevent.sleep(backoff.seconds())

    def _find(self) -> None:
        try:
            self._look_again()
        except (redis.RedisError, OSError) as error:
            _log.debug("can't find out which server has what: %s", error)
            return
        for channel, (server, attempts) in tuple(self._moved.items()):
            if self._server_of(channel) is server and attempts < ATTEMPTS:
                self._moved[channel] = server, attempts + 1
            else:
                del self._moved[channel]
                self._follow(channel)
