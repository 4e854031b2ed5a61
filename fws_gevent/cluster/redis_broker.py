"""The broker over Redis, which joins many nodes to one server."""

from __future__ import annotations

import json
from typing import Any

import gevent

from ..broker.base import Broker
from ..broker.host import BrokerHost
from ..clock import SYSTEM_CLOCK, Clock
from ..errors import PublishFailed, StorageAway
from ..logs.loggers import get_logger
from ..loop.inbox import Inbox
from ..loop.supervision import Loop
from ..protocol.frames import TEXT
from ..publisher import Publisher
from ..redis_io import entries
from ..redis_io.keys import Keys
from ..redis_io.publishing import Publication, StreamTerms
from ..redis_io.servers import RedisServers
from ..settings import Settings
from ..signals import Member
from ..tokens.claims import group_of
from .channels import Channels
from .cleanup import Cleanup
from .effects import Effects
from .member_keys import MemberKeys
from .nodes import Nodes, new_node_name
from .presence import Presence
from .remote_members import RemoteMembers
from .revocations import Revocations
from .shard import Shards
from .stream_readers import StreamReaders
from .token_store import RedisTokenStore
from .upkeep import Upkeep

_log = get_logger("redis")

STOP_TIMEOUT = 1.5
"""Seconds for each part to stop."""

PRESENCE_IN_DOUBT = ("lost", "older")
"""Gaps after which the members of the group in Redis may be wrong, too."""


class RedisBroker(Broker):
    """Carries the messages of all nodes over Redis, and the facts that they share.

    `servers` and `keys` say where Redis is and name its keys. `tokens` is told of revocations.
    Messages may be published before `start`, too, and in a process that serves no clients.
    """

    shared = True

    def __init__(
        self,
        servers: RedisServers,
        keys: Keys,
        settings: Settings,
        tokens: RedisTokenStore,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._first_name = new_node_name()
        self._gaps = 0
        self._servers = servers
        self._keys = keys
        self._tokens = tokens
        self._terms = tokens.terms = terms_of(settings)
        self._channel_names = settings.redis_channels
        self._local = settings.redis_away == "local"
        self._publisher = Publisher(servers, keys.prefix, self._terms.deadline, self._terms, clock)
        self._member_keys = MemberKeys(servers, keys, self._terms)
        self._remote_members = RemoteMembers(servers, keys, self._member_keys, None)
        self._started = False

    def attach(self, host: BrokerHost) -> None:
        """Serve `host` from now on. Never waits."""
        super().attach(host)
        self._effects = Effects(host, self._is_own_name, self._tokens.on_revoked)

    # Lifecycle.

    def start(self) -> None:
        """Start all tasks, and wait a few seconds at most until Redis answers."""
        servers, keys, members = self._servers, self._keys, self._member_keys
        clock = self._clock
        self._first_name = new_node_name()  # the others may still remove the former one
        self._shards = Shards(servers, keys, self._terms, clock)
        self._presence = Presence(members, self._first_name, self._members_here, clock)
        self._cleanup = Cleanup(servers, keys, members, self._first_name, clock)
        self._nodes = Nodes(
            servers, keys, members, self._presence, self._cleanup, self.host.summary,
            self._groups, clock,
        )  # fmt: skip
        self._upkeep = Upkeep(
            servers, keys, self._terms, self._presence, self._nodes, members,
            self._members_here, self._groups, clock,
        )  # fmt: skip
        self._remote_members = RemoteMembers(servers, keys, members, self._nodes)
        self._channels = Channels(servers, self._channel_names, self.host.queue.offer, clock)
        self._channels.subscription.start()
        self._readers = StreamReaders(
            self._shards, keys, self._effects, self._gap, lambda: Inbox(self.host.reactor), clock
        )
        self._revocations = Revocations(self._tokens, self._readers.everybody.ready, clock)
        self._started = True
        if not self._readers.start():
            _log.error("Redis at %s doesn't answer; serving without it until it does",
                       servers.name)  # fmt: skip

    def on_fork(self) -> None:
        """Follow no stream in a forked child, which publishes over connections of its own."""
        self._started = False
        self._tokens.following = False

    def stop(self) -> None:
        """Tell the other nodes, and stop; wait a few seconds at most."""
        if not self._started:
            return
        self._started = False
        told_all = self._presence.stop(STOP_TIMEOUT)
        parts = [gevent.spawn(stop, STOP_TIMEOUT) for stop in
                 (self._nodes.stop, self._upkeep.stop, self._cleanup.stop, self._revocations.stop,
                  self._channels.subscription.stop, self._shards.stop)]  # fmt: skip
        gevent.joinall(parts, timeout=3 * STOP_TIMEOUT)
        self._nodes.leave(told_all)

    @property
    def healthy(self) -> bool:
        """Return whether this node receives the messages of the others."""
        if not self._started:
            return True
        return self._shards.up and self._channels.subscription.up and self._readers.everybody.live

    @property
    def node_name(self) -> str:
        """The name of this node."""
        return self._presence.node if self._started else self._first_name

    @property
    def losses(self) -> int:
        """The number of times that a subscription was lost."""
        return self._shards.losses if self._started else 0

    @property
    def gaps(self) -> int:
        """The number of gaps."""
        return self._gaps

    @property
    def loops(self) -> list[Loop]:
        """The background tasks."""
        if not self._started:
            return []
        own = [self._presence.loop, self._nodes.loop, self._upkeep.loop, self._cleanup.loop,
               self._revocations.loop, self._channels.subscription.loop]  # fmt: skip
        return [*own, *self._shards.loops]

    @property
    def others(self) -> list[dict[str, Any]]:
        """The last status of each other node."""
        return self._nodes.others if self._started else []

    # Messages.

    def publish(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> None:
        """Send to a group's members on all nodes, or to everybody; return when Redis has it.

        Raises PublishFailed, GroupNameInvalid.
        """
        data = bytes(payload)
        if self.host.reactor.elsewhere():
            self.host.reactor.run_here(self.publish, opcode, data, group, exclude)
            return
        kind = entries.TEXT if opcode == TEXT else entries.BINARY
        try:
            self._publish(self._publisher.publication(group, kind, data, exclude))
        except PublishFailed:
            if not (self._local and self._started):
                raise
            self._send_locally(opcode, data, group, exclude)

    def _send_locally(self, opcode: int, data: bytes, group: str | None, exclude: str) -> None:
        """Send to the clients of this node alone, after a notice: the setting for an outage."""
        reader = self._shards.readers.get(self._keys.stream(group))
        notice = json.dumps({"fws": "local", "group": group}).encode()
        self.host.spread(TEXT, notice, group, exclude)
        self.host.spread(opcode, data, group, exclude)
        if reader is not None:
            reader.local_only = True
            reader.behind()

    def disconnect(self, subject: str | None, name: str | None, code: int, reason: str) -> int:
        """Close a subject's connections, or the one with an id, on all nodes; return how many.

        Raises PublishFailed, StorageAway, GroupNameInvalid.
        """
        count, unknown = 0, None
        try:
            count = 0 if subject is None else len(self.members(group_of(subject)))
        except StorageAway as error:
            unknown = error
        self._publish(
            self._publisher.disconnection(subject=subject, name=name, code=code, reason=reason)
        )
        if unknown is not None:
            raise StorageAway(f"they are told to close, but how many is not known: {unknown}")
        return count

    def _publish(self, publication: Publication) -> None:
        if not self._started:
            self._publisher.send(publication)
        elif self.host.reactor.elsewhere():
            self.host.reactor.run_here(self._publish, publication)
        else:
            stream = self._keys.stream(publication.group)
            self._readers.wait_for_joins(stream, max(0.0, publication.left / 2))
            queue = self._shards.of(stream).publish_queue
            if self._started:
                queue.publish(publication)
            else:  # the broker has stopped during a wait for Redis
                self._publisher.send(publication)

    # Groups.

    def join(
        self, group: str, member: str, subject: str | None, *, first: bool, wait: bool = True
    ) -> None:
        """Note a join here; return when no later message to the group can be missed.

        Without `wait`, and in the hub, return at once.
        """
        if not self._started:
            return
        self._presence.join(group, member, subject or "")
        self._readers.join(group, first=first, wait=wait)

    def leave(self, group: str, member: str, *, last: bool) -> None:
        """Note a leave here. Never waits."""
        if not self._started:
            return
        self._presence.leave(group, member)
        if last:
            self._readers.leave(group)

    def _gap(self, group: str | None, reason: str) -> None:
        self._gaps += 1
        if group is None:
            self._revocations.load()
        elif reason in PRESENCE_IN_DOUBT and group in self.host.groups:
            self._presence.compare([group])
        self.host.tell_gap(group, reason)

    def members(self, group: str) -> list[Member]:
        """Return a group's members on all nodes. Raises StorageAway unless they are all."""
        return self.members_here(group) + self._remote_members.members(group)

    def _is_own_name(self, node: str) -> bool:
        return self._nodes.is_own_name(node) if self._started else node == self._first_name

    def _members_here(self, group: str) -> list[tuple[str, str]]:
        members = self.host.groups.get(group)
        if members is None:
            return []
        return [(each.id, each.subject or "") for each in members.values()]

    def _groups(self) -> tuple[str, ...]:
        return tuple(self.host.groups)


def terms_of(settings: Settings) -> StreamTerms:
    """Return the bounds of streams from the settings."""
    return StreamTerms(
        settings.redis_history,
        settings.redis_history_size,
        settings.redis_history_time,
        settings.publish_timeout,
    )
