"""Tells Redis, and so the other nodes, which connections of this node are in which groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import redis
from gevent.event import Event

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.servers import ServerName
from .member_keys import GROUPS, Change, MemberKeys, Outcome, encode

_log = get_logger("redis")

MAX_CHANGES = 1000
"""Changes of one group that may wait; with more, all its members are compared."""

FIRST, LONGEST = 0.1, 30.0
"""Seconds until a group that failed is tried again, at first and at most."""

AWAY = 2.0
"""Seconds at most until the groups of a server that did not answer are tried again."""

_LOOK = 1000  # groups that are considered for a batch

Members = Callable[[str], Iterable[tuple[str, str]]]
"""Returns the ids and subjects of a group's members on this node."""


class Presence:
    """Writes joins and leaves to Redis in order, and compares groups with Redis where needed.

    `node` is the name under which the members are written, and `members(group)` returns those of
    this node. Nothing is written before `registered` is set: the others remove only the members of
    nodes that they know. A group that fails is put aside, and does not delay others.
    """

    def __init__(
        self, keys: MemberKeys, node: str, members: Members, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        self.node = node
        self.registered = Event()
        self._keys = keys
        self._members = members
        self._former: list[str] = []
        self._changes: dict[str, list[Change] | None] = {}  # None: to be compared with Redis
        self._telling: frozenset[str] = frozenset()
        self._aside: dict[str, float] = {}  # with the moment at which it is tried again
        self._next_aside = 0.0
        self._attempts: dict[str | tuple[ServerName | None], int] = {}
        self._away: dict[ServerName | None, float] = {}
        self._suspects: set[str] = set()
        """Groups that were in a batch which failed as a whole: each is tried alone."""
        self._wake = Event()
        self._stopping = self._cut_off = False
        self.loop = Loop("presence", self._run, clock)
        self.loop.start()

    def join(self, group: str, member: str, subject: str) -> None:
        """Write that a connection joined."""
        self._note(group, ("+", member, subject))

    def leave(self, group: str, member: str) -> None:
        """Write that a connection left."""
        self._note(group, ("-", member, ""))

    def compare(self, groups: Iterable[str]) -> None:
        """Compare the members of groups with Redis, and write the differences."""
        for group in groups:
            if group not in self._aside:
                self._changes[group] = None
        self._wake.set()

    def renew(self, node: str, groups: Iterable[str]) -> None:
        """Write all members of groups under another name, and remove those of the old name."""
        self.registered.clear()
        self._former.append(self.node)
        self.node = node
        self._aside.clear()
        self._changes = dict.fromkeys(groups)
        self._wake.set()

    def is_waiting(self, group: str) -> bool:
        """Return whether changes of a group are still to be written."""
        return group in self._changes or group in self._telling or group in self._aside

    def stop(self, timeout: float) -> bool:
        """Stop after writing all changes, or after `timeout` seconds.

        Returns whether all changes were written.
        """
        self._stopping = True
        self.registered.set()
        self._wake.set()
        ended = self.loop.join(timeout)
        self._cut_off = True
        return ended and not (self._changes or self._aside or self._telling)

    def _note(self, group: str, change: Change) -> None:
        if group in self._aside:
            return  # it is compared with Redis later
        changes = self._changes.setdefault(group, [])
        if changes is not None:
            changes.append(change)
            if len(changes) > MAX_CHANGES:
                self._changes[group] = None
        self._wake.set()

    def _run(self) -> None:
        while not self._cut_off:
            self.registered.wait()
            self._wake.clear()
            server, batch = self._next_batch()
            if batch:
                self._tell(server, batch)
            elif self._changes:
                continue  # the groups that were considered are put aside
            elif self._stopping:
                return
            else:
                self._wait()

    def _wait(self) -> None:
        if self._aside:
            self._wake.wait(max(0.0, self._next_aside - self._clock.monotonic()))
        elif not self._former:
            self._wake.wait()
        elif not self._forget(self._former[0]):
            self._wake.wait(AWAY)

    def _forget(self, former: str) -> bool:
        """Forget a former name that has no members any more; return False if Redis is away."""
        try:
            self._keys.drop_list(former)
        except (redis.RedisError, OSError) as error:
            _log.debug("can't forget the name %s: %s", former, error)
            return False
        self._former.remove(former)
        return True

    # The next batch.

    def _next_batch(self) -> tuple[ServerName | None, list[str]]:
        """Return groups of one server that have changes to write."""
        self._bring_back()
        now, batch = self._clock.monotonic(), list[str]()
        first: ServerName | None = None
        for group in tuple(islice(self._changes, _LOOK)):
            server = self._keys.server_of(group)
            until = self._away.get(server, 0.0)
            if until > now:
                self._put_aside(group, until)
            elif group in self._suspects:
                if not batch:
                    return server, [group]
            elif not batch or server == first:
                first = server
                batch.append(group)
                if len(batch) == GROUPS:
                    break
        return first, batch

    def _bring_back(self) -> None:
        now = self._clock.monotonic()
        if not self._aside or now < self._next_aside or self._stopping:
            return
        for group, until in tuple(self._aside.items()):
            if until <= now:
                del self._aside[group]
                self._changes[group] = None
        self._next_aside = min(self._aside.values(), default=0.0)

    def _put_aside(self, group: str, until: float) -> None:
        self._changes.pop(group, None)
        self._next_aside = min(self._next_aside, until) if self._aside else until
        self._aside[group] = until

    # Writing.

    def _tell(self, server: ServerName | None, batch: list[str]) -> None:
        """Write the changes of some groups; put those that fail aside."""
        self._telling = frozenset(batch)
        outcomes: dict[str, Outcome[int]] = {}
        try:
            outcomes = self._try(batch)
        except (redis.RedisError, OSError) as error:
            self._is_away(server, error)
        except Exception:
            self._suspects.update(batch)
            raise
        else:
            self._away.pop(server, None)
            self._attempts.pop((server,), None)
        finally:
            self._telling = frozenset()
            for group in batch:
                outcome = outcomes.get(group)
                if isinstance(outcome, int):
                    self._suspects.discard(group)
                    self._attempts.pop(group, None)
                else:
                    self._failed(server, group, outcome)

    def _try(self, batch: list[str]) -> dict[str, Outcome[int]]:
        """Write the changes of some groups; return the outcomes. Raises redis.RedisError."""
        node = self.node
        outcomes = self._find_differences(node, batch)
        if self.node != node:
            return {}  # all groups are compared under the new name
        going = {group: self._changes.pop(group) or [] for group in batch if group not in outcomes}
        if not going:
            return outcomes
        self._keys.list_groups(node, [
            group for group, changes in going.items()
            if not changes or any(sign == "+" for sign, *_ in changes)
        ])  # fmt: skip
        if self.node != node:
            return {}
        outcomes |= self._keys.change(node, going)
        empty = [group for group in going
                 if outcomes[group] == 0 and group not in self._changes]  # fmt: skip
        if empty:
            self._keys.unlist_groups(node, empty)
        return outcomes

    def _find_differences(self, node: str, batch: list[str]) -> dict[str, Outcome[int]]:
        """Find the changes of groups that are to be compared; return the failures."""
        unclear = [group for group in batch if self._changes[group] is None]
        failed: dict[str, Outcome[int]] = {}
        if not unclear:
            return failed
        for former in self._former:
            # Before the members join under the new name: by their ids, they leave first.
            gone = self._keys.remove(former, unclear)
            failed |= {group: each for group, each in gone.items() if isinstance(each, Exception)}
        told = self._keys.read(node, unclear)
        if self.node != node:
            return failed
        for group, found in told.items():
            if isinstance(found, Exception):
                failed[group] = found
            elif group not in failed:
                self._changes[group] = self._difference(group, found)
        return failed

    def _difference(self, group: str, told: Mapping[bytes, bytes]) -> list[Change]:
        """Return the changes that bring the members in Redis up to date."""
        here = {encode(member): subject for member, subject in self._members(group)}
        gone: list[Change] = [("-", member, "") for member in told.keys() - here.keys()]
        return gone + [("+", member, subject) for member, subject in here.items()
                       if member not in told]  # fmt: skip

    # Failures.

    def _is_away(self, server: ServerName | None, error: Exception) -> None:
        self._away[server] = self._clock.monotonic() + self._pause((server,), AWAY)
        if isinstance(error, redis.ResponseError) and self._attempts[server,] == 3:
            _log.warning("can't tell who is in any group: %s; trying again", error)
        else:
            _log.debug("can't tell who is where: %s", error)

    def _failed(self, server: ServerName | None, group: str, outcome: object) -> None:
        """Try a group again later; it is compared then, as some changes may be written."""
        until = self._away.get(server)
        if until is None:
            until = self._clock.monotonic() + self._pause(group, LONGEST)
            if self._attempts[group] == 3:
                _log.warning(
                    "group %s: can't tell who is in it: %s; trying again", repr(group), outcome
                )
        self._put_aside(group, until)

    def _pause(self, what: str | tuple[ServerName | None], longest: float) -> float:
        """Return the seconds until a failure is tried again, which double each time."""
        attempts = self._attempts[what] = self._attempts.get(what, 0) + 1
        return min(longest, FIRST * 2.0 ** min(attempts, 20))
