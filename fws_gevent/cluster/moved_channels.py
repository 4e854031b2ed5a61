"""Channels that a server of a Redis Cluster took away, since their slot moved to another one."""

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
"""How often the cluster is asked where a slot is, until the old server counts as the right one."""

Server = TypeVar("Server")


class MovedChannels(Generic[Server]):
    """Finds the servers that have such channels by now; all other channels are heard meanwhile.

    `look_again()` asks the cluster which server has what, `server_of(channel)` says what is known
    of it, and `follow(channel)` is called when that is no longer the server that took it away.
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
        self._taken: dict[bytes, tuple[Server, int]] = {}  # with the attempts so far
        self._something = Event()
        self._stopping = False
        self.loop = Loop("moved channels", self._live, clock)

    @property
    def pending(self) -> bool:
        """Return whether there are channels that no server is heard on."""
        return bool(self._taken)

    def put(self, channel: bytes, server: Server) -> None:
        """Find the server of a channel that `server` took away."""
        self._taken[channel] = server, 0
        self._something.set()

    def stop(self, timeout: float) -> None:
        """End; waits for `timeout` seconds at most."""
        self._stopping = True
        self._something.set()
        self.loop.join(timeout)

    def _live(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            if not self._taken:
                backoff.reset()
                self._something.clear()
                self._something.wait()
                continue
            self._find()
            if self._taken:
                gevent.sleep(backoff.seconds())

    def _find(self) -> None:
        try:
            self._look_again()
        except (redis.RedisError, OSError) as error:
            _log.debug("can't find out which server has what: %s", error)
            return
        for channel, (server, attempts) in tuple(self._taken.items()):
            if self._server_of(channel) is server and attempts < ATTEMPTS:
                self._taken[channel] = server, attempts + 1
            else:
                del self._taken[channel]
                self._follow(channel)
