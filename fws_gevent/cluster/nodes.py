"""The nodes of a server: each says that it lives, and clears away what a dead one left."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from gevent.event import Event

from ..engine.supervision import Loop
from .keys import Keys
from .presence import Presence
from .servers import RedisServers

_log = logging.getLogger("fws_gevent.redis")

BEAT = 2.5
"""Seconds between two signs of life."""

LEASE = 9.0
"""Seconds after a node's last sign of life until it counts as dead."""

_CHUNK = 50  # groups that are cleared away in one trip
_CLEANING = 30_000  # milliseconds that one node has for it before another one tries


class Nodes:
    """This node among the others; `others` is what they said of themselves lately.

    `describe()` is what this one says. A node that was taken for dead gets a new id, so that
    nothing it tells is mistaken for what is being cleared away.
    """

    def __init__(
        self,
        servers: RedisServers,
        keys: Keys,
        presence: Presence,
        describe: Callable[[], dict[str, Any]],
        groups: Callable[[], Iterable[str]],
    ) -> None:
        self.others: list[dict[str, Any]] = []
        self._servers = servers
        self._keys = keys
        self._presence = presence
        self._describe = describe
        self._groups = groups
        self._mine = {presence.node}
        self._known = False
        self._refreshed = monotonic()
        self._stop = Event()
        self.loop = Loop("heartbeat", self._live)
        self.loop.start()

    def is_mine(self, node: str) -> bool:
        """Whether a node's id is, or was, this one's."""
        return node in self._mine

    def stop(self, timeout: float) -> None:
        """Say good-bye, within `timeout` seconds, and end."""
        self._stop.set()
        self.loop.join(timeout)

    def _live(self) -> None:
        while not self._stop.is_set():
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - redis-py has some that are no RedisError
                _log.debug("no sign of life: %s", error)
            self._stop.wait(BEAT)
        try:
            self._forget(self._presence.node)
        except Exception as error:  # noqa: BLE001 - likewise
            _log.debug("no good-bye: %s", error)

    def _beat(self) -> None:
        """Raises redis.RedisError."""
        keys, client, me = self._keys, self._servers.client, self._presence.node
        pipeline = client.pipeline(transaction=False)
        pipeline.set(keys.node(me), json.dumps(self._describe()), px=int(LEASE * 1000), get=True)
        pipeline.sadd(keys.nodes, me)
        pipeline.smembers(keys.nodes)
        before, _, names = pipeline.execute()
        if before is None and self._known:
            self._begin_anew()
            return
        self._known = True
        others = sorted(name for name in map(_text, names) if name and name != me)
        said = client.mget([keys.node(name) for name in others]) if others else []
        alive = dict(zip(others, said, strict=True))
        self.others = [found for text in alive.values() if text and (found := _parsed(text))]
        for name, text in alive.items():
            if text is None:
                self._clear_away(name)
        if monotonic() - self._refreshed > self._presence.refresh_interval:
            self._refreshed = monotonic()
            self._presence.refresh(self._groups())

    def _begin_anew(self) -> None:
        """The others take this node for dead, or Redis has forgotten all: tell it all again."""
        old, new = self._presence.node, new_node_name()
        _log.warning("node %s was taken for dead; going on as %s", old, new)
        self._mine.add(new)
        self._presence.renew(new, self._groups())
        self._known = False
        self._servers.client.delete(self._keys.node(old))
        self._beat()

    def _clear_away(self, node: str) -> None:
        """Take away what a dead node left, unless another node is at it. Raises RedisError."""
        keys, client = self._keys, self._servers.client
        if not client.set(keys.cleaning(node), self._presence.node, nx=True, px=_CLEANING):
            return
        if node not in self._mine:
            _log.warning("node %s is gone; clearing away what it left", node)
        try:
            groups: list[str] = []
            for raw in client.sscan_iter(keys.groups(node), count=_CHUNK):
                group = _text(raw)
                if group is not None:
                    groups.append(group)
                if len(groups) >= _CHUNK:
                    self._presence.clear(node, groups)
                    groups.clear()
            self._presence.clear(node, groups)
            self._forget(node)
        finally:  # if that failed, it is tried again soon
            client.delete(keys.cleaning(node))

    def _forget(self, node: str) -> None:
        keys = self._keys
        # In one trip, so that no other node sees half of it and takes this one for dead.
        pipeline = self._servers.client.pipeline(transaction=False)
        pipeline.delete(keys.node(node), keys.groups(node))
        pipeline.srem(keys.nodes, node)
        pipeline.execute()


def new_node_name() -> str:
    """A name that no other node has, and that says which process it is."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def _text(raw: bytes) -> str | None:
    """A name of ours; None for what some other program put among them."""
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _parsed(text: bytes) -> dict[str, Any] | None:
    """What a node says of itself; None if that is no JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
