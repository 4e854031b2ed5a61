"""Renews the keys of this node's groups before they expire, and finds lost members in Redis."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import redis
from gevent.event import Event

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.keys import Keys
from ..redis_io.publishing import StreamTerms
from ..redis_io.servers import RedisServers
from .leases import ENDED
from .member_keys import KEPT, MemberKeys, Outcome, encode, try_each
from .nodes import LEASE, Nodes
from .presence import Presence

_log = get_logger("redis")

INTERVAL = 2.5
"""Seconds between two rounds."""

LOOK = 100
"""Groups of one round at least: with fewer groups, each round takes all of them."""

STRANGERS = 1000
"""Names of unknown nodes that are remembered."""


class Upkeep:
    """Renews the groups of this node in Redis, a part of them in each round.

    If Redis lacks members of one group, all groups are checked at once: a server may have lost all
    its data. `members(group)` returns the members on this node, and `groups()` its groups.
    """

    def __init__(
        self,
        servers: RedisServers,
        keys: Keys,
        terms: StreamTerms,
        presence: Presence,
        nodes: Nodes,
        member_keys: MemberKeys,
        members: Callable[[str], Iterable[Any]],
        groups: Callable[[], Iterable[str]],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._servers = servers
        self._keys = keys
        self._terms = terms
        self._presence = presence
        self._nodes = nodes
        self._member_keys = member_keys
        self._members = members
        self._groups = groups
        self._round: deque[str] = deque()
        self._strangers: dict[str, float] = {}
        self._stop = Event()
        self.loop = Loop("upkeep", self._run, clock)
        self.loop.start()

    def stop(self, timeout: float) -> None:
        """Stop; wait for at most `timeout` seconds."""
        self._stop.set()
        self.loop.join(timeout)

    @property
    def refresh_interval(self) -> float:
        """The seconds in which each group is renewed once: before any key of it expires."""
        return min(KEPT, self._terms.life) / 3

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            if not self._presence.registered.is_set():
                continue
            try:
                self._servers.client.pexpire(self._keys.stream(None), self._terms.life_ms)
            except (redis.RedisError, OSError) as error:
                _log.debug("can't keep everybody's stream: %s", error)
            lost = self._look(self._next_groups())
            if lost:
                self._round.clear()
                lost += self._look(list(self._groups()))
                _log.warning("Redis has lost members of %d groups; telling them again", lost)

    def _next_groups(self) -> list[str]:
        """Return the groups of the next round."""
        if not self._round:
            self._round.extend(self._groups())
        all_of_them = len(tuple(self._groups()))
        share = int(all_of_them * INTERVAL / self.refresh_interval) + 1
        return [self._round.popleft() for _ in range(min(len(self._round), max(LOOK, share)))]

    def _look(self, groups: list[str]) -> int:
        """Renew some groups; return the number of those whose members Redis has lost."""
        portions = self._member_keys.by_server(groups)
        outcomes = try_each(portions, partial(self._renew, self._presence.node))
        lost: list[str] = []
        for group, outcome in outcomes.items():
            if isinstance(outcome, Exception):
                _log.debug("group %r: can't keep it: %s", group, outcome)
            elif not outcome and not self._presence.is_waiting(group):
                lost.append(group)
        self._presence.compare(lost)
        return len(lost)

    def _renew(self, node: str, groups: list[str]) -> dict[str, Outcome[bool]]:
        """Renew groups of one server; return whether Redis has all members of each.

        Raises redis.RedisError.
        """
        keys, kept = self._keys, int(KEPT * 1000)
        pipeline = self._servers.client.pipeline(transaction=False)
        for group in groups:
            pipeline.hlen(keys.members(group, node))
            pipeline.smembers(keys.holders(group))
            pipeline.pexpire(keys.members(group, node), kept)
            pipeline.pexpire(keys.holders(group), kept)
            pipeline.pexpire(keys.stream(group), self._terms.life_ms)
        answers = pipeline.execute(raise_on_error=False)
        self._member_keys.list_groups(node, groups)
        if self._presence.node != node:  # it got another name meanwhile
            self._member_keys.drop_list(node)
        outcomes: dict[str, Outcome[bool]] = {}
        for number, group in enumerate(groups):
            count, holders = answers[5 * number : 5 * number + 2]
            error = next((each for each in (count, holders) if isinstance(each, Exception)), None)
            if error is None:
                self._clear_strangers(group, holders)
            here = sum(1 for _ in self._members(group))
            outcomes[group] = error or (count == here and encode(node) in holders)
        return outcomes

    def _clear_strangers(self, group: str, holders: Iterable[bytes]) -> None:
        """Remove members of nodes that are not known any more. Raises redis.RedisError."""
        now, known = self._clock.monotonic(), self._nodes.known
        for raw in holders:
            name = raw.decode("utf-8", "surrogateescape")
            if name in known:
                self._strangers.pop(name, None)
                continue
            if len(self._strangers) >= STRANGERS:
                self._strangers.clear()
            since = self._strangers.setdefault(name, now)
            if now - since <= LEASE:
                continue
            if self._servers.client.getrange(self._keys.node(name), 0, 0) in (b"", ENDED):
                self._member_keys.remove(name, [group])
