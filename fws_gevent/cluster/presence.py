"""Who is in the groups of this node, as Redis and the other nodes know it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from typing import Any

import gevent
import redis
from gevent.event import Event
from redis.exceptions import NoScriptError

from ..engine.supervision import Loop
from .backoff import Backoff
from .keys import Keys
from .publishing import StreamTerms
from .scripts import PRESENCE
from .servers import RedisServers

_log = logging.getLogger("fws_gevent.redis")

KEPT = 3600.0
"""Seconds that a group's members are kept in Redis after the node last spoke of them."""

MAX_CHANGES = 1000
"""Changes of one group that may wait; with more, all its members are told anew."""

_BATCH = 50  # groups in one trip

Change = tuple[str, str, str]
"""+ or -, a connection's id, its subject."""

Members = Callable[[str], Iterable[tuple[str, str]]]
"""The ids and subjects of a group's members here."""


class Presence:
    """Tells Redis who joins and leaves, in order, and all of it anew where that is needed.

    `node` is the id under which the members stand; `members(group)` are those of this node.
    """

    def __init__(
        self, servers: RedisServers, keys: Keys, terms: StreamTerms, node: str, members: Members
    ) -> None:
        self.node = node
        self._servers = servers
        self._keys = keys
        self._terms = terms
        self._members = members
        self._changes: dict[str, list[Change] | None] = {}
        self._something = Event()
        self._stopping = False
        self.loop = Loop("presence", self._live)
        self.loop.start()

    def join(self, group: str, member: str, subject: str) -> None:
        """Somebody joined."""
        self._note(group, ("+", member, subject))

    def leave(self, group: str, member: str) -> None:
        """Somebody left."""
        self._note(group, ("-", member, ""))

    def renew(self, node: str, groups: Iterable[str]) -> None:
        """Tell all members of `groups` under another id: nobody knows of them any more."""
        self.node = node
        self._changes = dict.fromkeys(groups)
        self._something.set()

    def stop(self, timeout: float) -> None:
        """Tell what is to be told, for `timeout` seconds at most, and end."""
        self._stopping = True
        self._something.set()
        self.loop.join(timeout)

    def _note(self, group: str, change: Change) -> None:
        changes = self._changes.setdefault(group, [])
        if changes is not None:
            changes.append(change)
            if len(changes) > MAX_CHANGES:
                self._changes[group] = None
        self._something.set()

    def _live(self) -> None:
        backoff = Backoff()
        while True:
            self._something.wait()
            if not self._changes:
                if self._stopping:
                    return
                self._something.clear()
                continue
            batch = {group: self._changes.pop(group) for group in tuple(self._changes)[:_BATCH]}
            try:
                self._tell(self.node, batch)
            except (redis.RedisError, OSError) as error:
                _log.debug("can't tell who is where: %s", error)
                # Some of it may have been told: what is true now is told instead.
                self._changes = {**dict.fromkeys(batch), **dict.fromkeys(self._changes)}
                if self._stopping:
                    return
                gevent.sleep(backoff.seconds())
            else:
                backoff.reset()

    def _tell(self, node: str, batch: dict[str, list[Change] | None]) -> None:
        """Raises redis.RedisError, also if Redis refused a part."""
        servers, keys = self._servers, self._keys
        pipeline = servers.client.pipeline(transaction=False)
        pipeline.sadd(keys.groups(node), *batch)
        pipeline.pexpire(keys.groups(node), int(KEPT * 1000))
        for group, changes in batch.items():
            self._put(pipeline, node, group, changes)
        answers = pipeline.execute(raise_on_error=False)
        self._check(answers)
        empty = [group for group, left in zip(batch, answers[2:], strict=True) if not left]
        if empty:
            servers.client.srem(keys.groups(node), *empty)

    def clear(self, node: str, groups: list[str]) -> None:
        """Take away what a node that is no more has left in `groups`. Raises redis.RedisError."""
        pipeline = self._servers.client.pipeline(transaction=False)
        for group in groups:
            self._put(pipeline, node, group, [], replace=True)
        self._check(pipeline.execute(raise_on_error=False))

    @property
    def refresh_interval(self) -> float:
        """Seconds between two calls of `refresh`: nothing that is followed may expire."""
        return min(KEPT, self._terms.life) / 3

    def refresh(self, groups: Iterable[str]) -> None:
        """Keep the streams and the members of `groups` for longer. Raises redis.RedisError."""
        named, kept = tuple(groups), int(KEPT * 1000)
        self._servers.client.pexpire(self._keys.stream(None), self._terms.life_ms)
        for start in range(0, len(named), _BATCH):
            pipeline = self._servers.client.pipeline(transaction=False)
            pipeline.pexpire(self._keys.groups(self.node), kept)
            for group in named[start : start + _BATCH]:
                pipeline.pexpire(self._keys.members(group, self.node), kept)
                pipeline.pexpire(self._keys.holders(group), kept)
                pipeline.pexpire(self._keys.stream(group), self._terms.life_ms)
            pipeline.execute()

    def _put(
        self, pipeline: Any, node: str, group: str, changes: list[Change] | None,
        replace: bool = False,
    ) -> None:  # fmt: skip
        if changes is None:
            replace = True
            changes = [("+", member, subject) for member, subject in self._members(group)]
        keys, fresh = self._keys, secrets.token_hex(8)
        names = [keys.members(group, node), keys.holders(group), keys.stream(group)]
        args = [node, "replace" if replace else "change", int(KEPT * 1000), self._terms.length,
                self._terms.life_ms, fresh, fresh, self._servers.publish_command]  # fmt: skip
        flat = [part for change in changes for part in change]
        self._servers.run(pipeline, PRESENCE, names, [*args, *flat])

    def _check(self, answers: list[Any]) -> None:
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if any(isinstance(error, NoScriptError) for error in errors):
            self._servers.load(PRESENCE)
        for error in errors:
            raise error
