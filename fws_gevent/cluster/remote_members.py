"""Asks Redis for the members of a group on the other nodes: all of them, or an error."""

from __future__ import annotations

import gevent
import redis

from ..errors import StorageAway
from ..redis_io.keys import Keys
from ..redis_io.servers import RedisServers
from ..signals import Member
from .leases import ENDED
from .member_keys import MemberKeys, encode
from .nodes import Nodes

ATTEMPTS, PAUSE = 7, 0.02
"""Attempts while the records in Redis contradict each other, and the seconds before the second one,
which double each time: changes are under way, or Redis has lost some."""


class _Unclear(Exception):
    """The records in Redis are incomplete. The text gives the reason."""


class RemoteMembers:
    """Asks Redis for a group's members on other nodes.

    It compares two records: the nodes of a group, and the groups of a node. On a Redis Cluster they
    are on different servers, so a loss at one of them shows. `nodes` is None in a process that is
    not a node.
    """

    def __init__(
        self, servers: RedisServers, keys: Keys, members: MemberKeys, nodes: Nodes | None
    ) -> None:
        self._servers = servers
        self._keys = keys
        self._members = members
        self._nodes = nodes

    def members(self, group: str) -> list[Member]:
        """Return a group's members on the other nodes. Raises StorageAway unless they are all."""
        pause = PAUSE
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._ask(group)
            except _Unclear as error:
                if not left:
                    raise StorageAway(f"it can't be told who is in the group: {error}") from None
            except (redis.RedisError, OSError) as error:
                raise StorageAway(f"Redis doesn't say who is in the group: {error}") from None
            gevent.sleep(pause)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, group: str) -> list[Member]:
        """Ask once. Raises redis.RedisError, _Unclear."""
        keys, nodes = self._keys, self._nodes
        pipeline = self._servers.client.pipeline(transaction=False)
        pipeline.smembers(keys.nodes)
        pipeline.smembers(keys.holders(group))
        # These two change nothing, but fail if Redis accepts no writes: nodes can't write then.
        pipeline.setrange(keys.sent(group, ""), 0, "")
        pipeline.setrange(keys.sent(None, ""), 0, "")
        pipeline.exists(keys.node(nodes.name if nodes else ""))
        names, holders, _, _, lives = pipeline.execute()
        # Redis may have lost the names of nodes alone, so those of the group are added.
        others = sorted(name.decode("utf-8", "surrogateescape") for name in names | holders)
        if nodes is not None:
            if not lives:
                nodes.beat_now()
                raise _Unclear("Redis has forgotten this node, and perhaps others")
            others = [name for name in others if not nodes.is_own_name(name)]
        signs = self._signs(others, group)
        alive = {name: listed for name, (sign, listed) in signs.items() if sign not in (b"", ENDED)}
        lost = [name for name, (sign, _) in signs.items() if not sign]
        if nodes is not None and (why := nodes.reason_to_doubt(len(alive), lost)):
            raise _Unclear(why)
        found = self._members_of(group, [name for name in alive if encode(name) in holders])
        for name, is_listed in alive.items():
            if (is_listed or name in found) and not found.get(name):
                raise _Unclear(f"node {name} has members whose names are missing")
        return [member for members in found.values() for member in members]

    def _signs(self, names: list[str], group: str) -> dict[str, tuple[bytes, bool]]:
        """Return the first byte of each node's status, and whether the node lists the group."""
        pipeline = self._servers.client.pipeline(transaction=False)
        for name in names:
            pipeline.getrange(self._keys.node(name), 0, 0)
            pipeline.sismember(self._keys.groups(name), encode(group))
        answers = pipeline.execute() if names else []
        return {name: (sign, bool(listed)) for name, sign, listed
                in zip(names, answers[::2], answers[1::2], strict=True)}  # fmt: skip

    def _members_of(self, group: str, nodes: list[str]) -> dict[str, list[Member]]:
        found: dict[str, list[Member]] = {}
        for node, told in self._members.of_nodes(group, nodes).items():
            if isinstance(told, Exception):
                raise told
            found[node] = [
                Member(group, _text(member), _text(subject) or None, node)
                for member, subject in told.items()
            ]
        return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
