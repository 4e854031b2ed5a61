"""Removes the members and keys of dead nodes from Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import redis
from gevent.event import Event

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.keys import Keys
from ..redis_io.servers import RedisServers
from .member_keys import GROUPS, MemberKeys, try_each

_log = get_logger("redis")

RESERVED = 30.0
"""Seconds that one node has for a part of the work, until another node may take over."""

FIRST, LONGEST = 1.0, 60.0
"""Seconds until a failed clean-up is tried again, at first and at most."""


class _Attempt:
    """The state of the clean-up of one dead node."""

    def __init__(self) -> None:
        self.next = 0.0
        self.pause = FIRST
        self.told = self.failed = False


class Cleanup:
    """Removes dead nodes one after the other, in a task beside the heartbeat.

    A failure is tried again later. It delays neither other groups of that node nor other nodes.
    `me` is the name of this node, under which it reserves the work.
    """

    def __init__(
        self,
        servers: RedisServers,
        keys: Keys,
        members: MemberKeys,
        me: str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._servers = servers
        self._keys = keys
        self._members = members
        self._me = me
        self._dead: dict[str, _Attempt] = {}
        self._wake = Event()
        self._stopping = False
        self.loop = Loop("clean-up", self._run, clock)
        self.loop.start()

    def offer(self, names: Iterable[str]) -> None:
        """Remove these nodes, which are all that are dead now."""
        self._dead = {name: self._dead.get(name) or _Attempt() for name in names}
        if self._dead:
            self._wake.set()

    def delete(self, node: str) -> None:
        """Delete the keys of a node that has no members any more. Raises redis.RedisError."""
        keys = self._keys
        # In one request, so that no other node sees a half and takes this one for dead. One key for
        # each command, as a Redis Cluster takes only one in a pipeline.
        pipeline = self._servers.client.pipeline(transaction=False)
        pipeline.srem(keys.nodes, node)
        pipeline.delete(keys.node(node))
        pipeline.delete(keys.groups(node))
        pipeline.execute()

    def stop(self, timeout: float) -> None:
        """Stop; wait for at most `timeout` seconds. Another node does the rest."""
        self._stopping = True
        self._wake.set()
        self.loop.join(timeout)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            for name, attempt in tuple(self._dead.items()):
                if self._clock.monotonic() >= attempt.next and not self._stopping:
                    self._try(name, attempt)

    def _try(self, name: str, attempt: _Attempt) -> None:
        attempt.next = self._clock.monotonic() + attempt.pause
        attempt.pause = min(LONGEST, 2 * attempt.pause)
        try:
            error = self._clear(name, attempt)
        except (redis.RedisError, OSError) as caught:
            error = caught
        if error is not None and not attempt.failed:
            attempt.failed = True
            _log.warning("node %s: can't clear away all that it left: %s; trying again",
                         name, error)  # fmt: skip

    def _clear(self, name: str, attempt: _Attempt) -> Exception | None:
        """Remove a node, unless another one does so now; return a failure or None.

        Raises redis.RedisError.
        """
        client, reserved = self._servers.client, self._keys.cleaning(name)
        if not client.set(reserved, self._me, nx=True, px=int(RESERVED * 1000)):
            attempt.pause = FIRST
            return None
        if not attempt.told:
            attempt.told = True
            _log.warning("node %s is gone; clearing away what it left", name)
        try:
            failed = None
            for groups in self._groups_of(name):
                failed = self._remove(name, groups) or failed
                client.pexpire(reserved, int(RESERVED * 1000))
                if self._stopping:
                    return failed
            if failed is None:
                self.delete(name)
            return failed
        finally:  # after a failure it is tried again soon
            client.delete(reserved)

    def _groups_of(self, name: str) -> Iterator[list[str]]:
        """Yield the groups of a node, in portions. Raises redis.RedisError."""
        groups: list[str] = []
        for raw in self._servers.client.sscan_iter(self._keys.groups(name), count=GROUPS):
            try:
                groups.append(raw.decode("utf-8", "surrogatepass"))
            except UnicodeDecodeError:
                continue  # another program wrote it
            if len(groups) >= GROUPS:
                yield groups
                groups = []
        if groups:
            yield groups

    def _remove(self, name: str, groups: Sequence[str]) -> Exception | None:
        """Remove a node's members of groups; return a failure or None. Raises redis.RedisError."""
        portions = self._members.by_server(groups)
        outcomes = try_each(portions, partial(self._members.remove, name))
        gone = [group for group, outcome in outcomes.items() if outcome == 0]
        if gone:
            self._members.unlist_groups(name, gone)
        return next((each for each in outcomes.values() if isinstance(each, Exception)), None)
