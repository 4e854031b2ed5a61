"""Reads and changes the keys of Redis that hold the members of groups, in bounded portions.

No call keeps Redis busy for long and no answer is large, however many members there are. A failure
of one group, or of one server, does not affect other groups.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import redis
from redis.exceptions import NoScriptError

from ..logs.loggers import get_logger
from ..redis_io.keys import Keys
from ..redis_io.publishing import StreamTerms
from ..redis_io.scripts import PRESENCE
from ..redis_io.servers import RedisServers, ServerName

_log = get_logger("redis")

KEPT = 3600.0
"""Seconds that Redis keeps the members of a group after the node last renewed them."""

GROUPS = 50
"""Groups in one request."""

CHANGES = 500
"""Members that one request changes at most, and reads of each group, about."""

Change = tuple[str, str | bytes, str]
"""Plus or minus, the id of a connection, its subject."""

Told = dict[bytes, bytes]
"""The members in Redis: subjects by id."""

T = TypeVar("T")
Outcome: TypeAlias = T | Exception
"""The outcome of a group: an answer or an error."""


class MemberKeys:
    """Reads and changes the keys of members, by group and node.

    Each method takes groups of one server (see `by_server`), and returns an outcome for each. It
    raises redis.RedisError if that server does not answer at all.
    """

    def __init__(self, servers: RedisServers, keys: Keys, terms: StreamTerms) -> None:
        self._servers = servers
        self._keys = keys
        self._terms = terms

    def server_of(self, group: str) -> ServerName | None:
        """Return the server that has a group, or None while that is not known."""
        try:
            return self._servers.server_of(self._keys.members(group, ""))
        except redis.RedisError:
            return None

    def by_server(self, groups: Iterable[str]) -> list[list[str]]:
        """Divide groups into portions, each of one server."""
        servers: dict[ServerName | None, list[str]] = {}
        for group in groups:
            servers.setdefault(self.server_of(group), []).append(group)
        return [each[start : start + GROUPS] for each in servers.values()
                for start in range(0, len(each), GROUPS)]  # fmt: skip

    def list_groups(self, node: str, groups: Sequence[str]) -> None:
        """Write that a node has members of these groups."""
        name, encoded = self._keys.groups(node), [encode(group) for group in groups]
        for start in range(0, len(groups), CHANGES):
            pipeline = self._servers.client.pipeline(transaction=False)
            pipeline.sadd(name, *encoded[start : start + CHANGES])
            pipeline.pexpire(name, int(KEPT * 1000))
            pipeline.execute()

    def unlist_groups(self, node: str, groups: Sequence[str]) -> None:
        """Write that a node has no members of these groups."""
        encoded = [encode(group) for group in groups]
        for start in range(0, len(groups), CHANGES):
            part = encoded[start : start + CHANGES]
            self._servers.client.srem(self._keys.groups(node), *part)

    def drop_list(self, node: str) -> None:
        """Delete the list of a node's groups, unless the node is known: then `cleanup` does it."""
        if not self._servers.client.sismember(self._keys.nodes, node):
            self._servers.client.delete(self._keys.groups(node))

    def read(self, node: str, groups: Iterable[str]) -> dict[str, Outcome[Told]]:
        """Return the ids and subjects of a node's members of groups."""
        return self._scan({group: self._keys.members(group, node) for group in groups})

    def of_nodes(self, group: str, nodes: Iterable[str]) -> dict[str, Outcome[Told]]:
        """Return the ids and subjects of each node's members of a group."""
        return self._scan({node: self._keys.members(group, node) for node in nodes})

    def _scan(self, names: Mapping[str, bytes]) -> dict[str, Outcome[Told]]:
        """Return the contents of hashes, read together in portions."""
        found: dict[str, Outcome[Told]] = {}
        parts: dict[str, Told] = {name: {} for name in names}
        cursors = dict.fromkeys(names, 0)
        while cursors:
            pipeline = self._servers.client.pipeline(transaction=False)
            for name, cursor in cursors.items():
                pipeline.hscan(names[name], cursor, count=CHANGES)
            answers = pipeline.execute(raise_on_error=False)
            for name, answer in zip(tuple(cursors), answers, strict=True):
                del cursors[name]
                if isinstance(answer, Exception):
                    found[name] = answer
                    continue
                cursor, part = answer
                parts[name].update(part)
                if cursor:
                    cursors[name] = cursor
        return {**parts, **found}

    def change(self, node: str, changes: Mapping[str, Sequence[Change]]) -> dict[str, Outcome[int]]:
        """Change a node's members of groups, and publish that; return the new numbers of members.

        For a group without changes, only its list of nodes is brought up to date.
        """
        found: dict[str, Outcome[int]] = {}
        for portion in _portions(changes):
            going = {group: part for group, part in portion.items()
                     if not isinstance(found.get(group), Exception)}  # fmt: skip
            if not going:
                continue
            pipeline = self._servers.client.pipeline(transaction=False)
            for group, part in going.items():
                self._put(pipeline, node, group, part)
            answers = pipeline.execute(raise_on_error=False)
            found.update(zip(going, answers, strict=True))
            if any(isinstance(answer, NoScriptError) for answer in answers):
                self._servers.load(PRESENCE)
        return found

    def remove(self, node: str, groups: Sequence[str]) -> dict[str, Outcome[int]]:
        """Remove all members that a dead node has left in groups, and publish that."""
        outcomes: dict[str, Outcome[int]] = {}
        changes: dict[str, list[Change]] = {}
        for group, found in self.read(node, groups).items():
            if isinstance(found, Exception):
                outcomes[group] = found
            else:
                changes[group] = [("-", member, "") for member in found]
        return outcomes | self.change(node, changes)

    def _put(self, pipeline: Any, node: str, group: str, changes: Sequence[Change]) -> None:
        keys, terms, fresh = self._keys, self._terms, secrets.token_hex(8)
        names = [keys.members(group, node), keys.holders(group), keys.stream(group)]
        args = [node, int(KEPT * 1000), terms.length, terms.life_ms, fresh, fresh,
                self._servers.publish_command]  # fmt: skip
        flat = [encode(part) for change in changes for part in change]
        self._servers.run(pipeline, PRESENCE, names, [*args, *flat])


def try_each(
    portions: Iterable[list[str]], call: Callable[[list[str]], Mapping[str, Outcome[T]]]
) -> dict[str, Outcome[T]]:
    """Call for each portion of groups; the error of a server is the outcome of its portion."""
    outcomes: dict[str, Outcome[T]] = {}
    for portion in portions:
        try:
            outcomes.update(call(portion))
        except (redis.RedisError, OSError) as error:
            outcomes.update(dict.fromkeys(portion, error))
    return outcomes


def _portions(changes: Mapping[str, Sequence[Change]]) -> list[dict[str, Sequence[Change]]]:
    """Divide the changes of groups into portions of at most CHANGES."""
    portions: list[dict[str, Sequence[Change]]] = [{}]
    room = CHANGES
    for group, whole in changes.items():
        start = 0
        while True:
            part = whole[start : start + room]
            portions[-1][group] = part
            start, room = start + len(part), room - max(1, len(part))
            if room <= 0:
                portions.append({})
                room = CHANGES
            if start >= len(whole):
                break
    return [each for each in portions if each]


def encode(text: str | bytes) -> bytes:
    """Return a name, id or subject in bytes. Lone surrogates must not fail a whole batch."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
