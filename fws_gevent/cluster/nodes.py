"""The heartbeat of this node in Redis, and the other nodes that are alive."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from typing import Any

import redis
from gevent.event import Event

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.backoff import Backoff
from ..redis_io.keys import Keys
from ..redis_io.servers import RedisServers
from .cleanup import Cleanup
from .leases import ENDED, Leases
from .member_keys import KEPT, MemberKeys, encode
from .presence import Presence

_log = get_logger("redis")

HEARTBEAT = 2.5
"""Seconds between two heartbeats."""

LEASE = 9.0
"""Seconds after the last heartbeat of a node until it counts as dead."""

_NAMES = 64  # former names of this node that are remembered


class Nodes:
    """Writes the status of this node, and reads that of the `others`.

    `describe()` returns the status of this node. A node that was taken for dead gets a new name, so
    that its members are not mistaken for those that are being removed.

    A node makes its lease once and then extends it. So a lost lease is noticed even if answers are
    lost, and it can be extended while Redis is full.
    """

    def __init__(
        self,
        servers: RedisServers,
        keys: Keys,
        members: MemberKeys,
        presence: Presence,
        cleanup: Cleanup,
        describe: Callable[[], dict[str, Any]],
        groups: Callable[[], Iterable[str]],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self.others: list[dict[str, Any]] = []
        self._mine: dict[str, None] = {presence.node: None}
        self.known: frozenset[str] = frozenset(self._mine)
        """The names of all nodes, dead ones and this one's own names included."""
        self._leases = Leases(LEASE, clock)
        self._given_up: str | None = None  # a former name whose key doesn't say so yet
        self._living = self._missing = 0
        self._missing_until = 0.0
        self._servers = servers
        self._keys = keys
        self._members = members
        self._presence = presence
        self._cleanup = cleanup
        self._describe = describe
        self._groups = groups
        self._refused = False
        self._wake = Event()
        self._stopping = False
        self.loop = Loop("heartbeat", self._run, clock)
        self.loop.start()

    @property
    def name(self) -> str:
        """The present name of this node."""
        return self._presence.node

    def is_own_name(self, node: str) -> bool:
        """Return whether a name is, or was, this node's."""
        return node in self._mine

    def beat_now(self) -> None:
        """Send a heartbeat now: the lease of this node is missing."""
        self._wake.set()

    def reason_to_doubt(self, living: int, lost: Iterable[str]) -> str:
        """Return a reason for which more nodes must be alive than the `living` ones, or "".

        `lost` are the nodes without a status.
        """
        if living < self._expected():
            return "Redis has forgotten nodes that have not said yet that they live"
        self._living = living
        name = next(filter(self._leases.lasts, lost), "")
        return name and f"Redis has forgotten that node {name} lives"

    def _expected(self) -> int:
        """Return the number of other nodes that are alive, though Redis may have lost them."""
        return self._missing if self._clock.monotonic() < self._missing_until else 0

    def stop(self, timeout: float) -> None:
        """Stop the heartbeat; wait for at most `timeout` seconds. Call `leave` afterwards."""
        self._stopping = True
        self._wake.set()
        self.loop.join(timeout)

    def leave(self, told_all: bool) -> None:
        """Remove this node. Without `told_all` the others remove its members."""
        node = self._presence.node
        try:
            if told_all:
                self._cleanup.delete(node)
            else:
                self._servers.client.set(self._keys.node(node), ENDED, px=_ms(LEASE), xx=True)
        except (redis.RedisError, OSError) as error:
            _log.debug("no good-bye: %s", error)

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            self._wake.clear()
            try:
                self._beat()
            except (redis.RedisError, OSError) as error:
                _log.debug("no sign of life: %s", error)
                self._note_refusal(error)
            else:
                backoff.reset()
            known = self._presence.registered.is_set()
            self._wake.wait(HEARTBEAT if known else min(HEARTBEAT, backoff.seconds()))

    def _beat(self) -> None:
        """Send a heartbeat. Raises redis.RedisError."""
        if not self._presence.registered.is_set():
            self._register()
        keys, me = self._keys, self._presence.node
        pipeline = self._servers.client.pipeline(transaction=False)
        pipeline.pexpire(keys.node(me), _ms(LEASE))
        pipeline.set(keys.node(me), json.dumps(self._describe()), px=_ms(LEASE), xx=True)
        pipeline.pexpire(keys.nodes, _ms(KEPT))
        pipeline.smembers(keys.nodes)
        extended, said, _, names = pipeline.execute(raise_on_error=False)
        for answer in (extended, names):
            if isinstance(answer, Exception):
                raise answer
        if not extended:
            self._begin_anew()
            return
        self._note_refusal(said)
        if encode(me) not in names:
            self._servers.client.sadd(keys.nodes, me)
        self._look_at([name for name in map(_text, names) if name and name != me])

    def _register(self) -> None:
        """Become a node under the present name. Raises redis.RedisError."""
        me, lease = self._presence.node, _ms(LEASE)
        if self._given_up is not None:
            self._servers.client.set(self._keys.node(self._given_up), ENDED, px=lease)
            self._given_up = None
        # First the groups: a node that is known must have its groups listed.
        self._members.list_groups(me, tuple(self._groups()))
        self._servers.client.set(self._keys.node(me), json.dumps(self._describe()), px=lease)
        self._servers.client.sadd(self._keys.nodes, me)
        self._presence.registered.set()

    def _look_at(self, others: list[str]) -> None:
        """Read the status of the other nodes. Raises redis.RedisError."""
        others.sort()
        self.known = frozenset([*others, *self._mine])
        now = self._clock.monotonic()
        texts = self._servers.client.mget(map(self._keys.node, others)) if others else []
        said = dict(zip(others, texts, strict=True))
        self._leases.note(now, said)
        self.others = [found for text in texts if text and (found := _parsed(text))]
        dead = [name for name, text in said.items() if text in (None, ENDED)]
        self._living = len(others) - len(dead)
        self._cleanup.offer([name for name in dead if not self._leases.lasts(name)])

    def _begin_anew(self) -> None:
        """Go on under a new name: the others took this node for dead, or Redis has lost it."""
        old, new = self._presence.node, new_node_name()
        _log.warning("node %s was taken for dead; going on as %s", old, new)
        self._given_up = old
        self._mine[new] = None
        if len(self._mine) > _NAMES:
            del self._mine[next(iter(self._mine))]
        # The others have probably lost their leases, too: they are expected to come back soon.
        self._missing = max(self._expected(), self._living)
        self._missing_until = self._clock.monotonic() + LEASE
        self._presence.renew(new, self._groups())
        self._wake.set()

    def _note_refusal(self, answer: object) -> None:
        refused = isinstance(answer, redis.ResponseError)
        if refused and not self._refused:
            _log.warning("Redis takes nothing from node %s: %s", self._presence.node, answer)
        self._refused = refused


def new_node_name() -> str:
    """Return a unique name for a node, which shows its host and process."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _text(raw: bytes) -> str | None:
    """Return the name of a node, or None if it is not UTF-8."""
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _parsed(text: bytes) -> dict[str, Any] | None:
    """Return the status of a node, or None if it is not a JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
