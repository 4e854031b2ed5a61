"""One node's part in a server of many: what it publishes, follows, and says of itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gevent
import redis
from gevent import get_hub
from gevent.event import Event
from greenlet import getcurrent

from ..errors import PublishFailed
from ..logs.loggers import get_logger
from ..loop.inbox import Inbox
from ..loop.supervision import Loop
from ..protocol.frames import TEXT
from ..publisher import Publisher
from ..redis_io import entries
from ..redis_io.backoff import Backoff
from ..redis_io.keys import Keys
from ..redis_io.publishing import Publication, StreamTerms
from ..redis_io.servers import RedisServers
from .channels import Channels
from .cleanup import Cleanup
from .effects import Effects
from .membership import MemberKeys
from .nodes import Nodes, new_node_name
from .presence import Presence
from .roster import Roster
from .shard import Shards
from .stream_reader import Feed
from .token_store import RedisTokenStore
from .upkeep import Upkeep

if TYPE_CHECKING:
    from ..connection.connection import Connection
    from ..node.node import Server

_log = get_logger("redis")

PATIENCE = 2.0
"""Seconds that a join waits until Redis has confirmed that the group is followed."""

END = 1.5
"""Seconds for each part to end in."""

PRESENCE_IN_DOUBT = ("lost", "older")
"""Gaps after which Redis may also lack, or have again, members of the group."""


class Cluster:
    """The other nodes, as a server sees them; `start` begins to follow them.

    What is sent before that, or from a process that serves no clients, is published all the same.
    """

    def __init__(
        self, server: Server, servers: RedisServers, keys: Keys, tokens: RedisTokenStore
    ) -> None:
        settings = server.settings
        self._first_name = new_node_name()
        self.gaps = 0
        self._server = server
        self._servers = servers
        self._keys = keys
        self._tokens = tokens
        self._terms = tokens.terms = terms_of(settings)
        self._local = settings.redis_away == "local"
        self._publisher = Publisher(servers, keys.prefix, self._terms.deadline, self._terms)
        self._member_keys = MemberKeys(servers, keys, self._terms)
        self._roster = Roster(servers, keys, self._member_keys, None)
        self._effects = Effects(server, self._is_mine, tokens.on_revoked)
        self._to_load = Event()
        """Set while it is to be learnt what is revoked."""
        self._started = False

    # Its life.

    def start(self) -> None:
        """Begin to follow; waits until Redis is there, for `PATIENCE` seconds at most."""
        servers, keys, members = self._servers, self._keys, self._member_keys
        self._first_name = new_node_name()  # others may still clear away what one before has left
        self._shards = Shards(servers, keys, self._terms)
        self._presence = Presence(members, self._first_name, self._members_here)
        self._cleanup = Cleanup(servers, keys, members, self._first_name)
        self._nodes = Nodes(
            servers, keys, members, self._presence, self._cleanup, self._describe, self._groups
        )
        self._upkeep = Upkeep(
            servers, keys, self._terms, self._presence, self._nodes, members,
            self._members_here, self._groups,
        )  # fmt: skip
        self._roster = Roster(servers, keys, members, self._nodes)
        self._channels = Channels(
            self._servers, self._server.settings.redis_channels, self._server.queue.offer
        )
        self._channels.link.start()
        self._everybody = self._follow(None)
        self._started = True
        if not self._everybody.ready.wait(PATIENCE):
            self._everybody.promised = True  # who connects from here on is owed all messages
            _log.error("Redis at %s doesn't answer; serving without it until it does",
                       self._servers.name)  # fmt: skip
        self._to_load.set()
        self._loader = Loop("revocations", self._load)
        self._loader.start()

    def on_fork(self) -> None:
        """In a forked child: follow nothing. What is sent is published over a link of its own."""
        self._started = False
        self._tokens.following = False

    def _load(self) -> None:
        """Learn what was revoked, once everybody's stream is followed: so none is missed."""
        backoff, refused = Backoff(), False
        while self._started:
            self._to_load.wait()
            self._everybody.ready.wait()
            if not self._started:
                return
            try:
                self._tokens.load()
            except (redis.RedisError, OSError) as error:
                if isinstance(error, redis.ResponseError) and not refused:
                    refused = True
                    _log.warning("can't learn what is revoked: %s; trying again", error)
                gevent.sleep(backoff.seconds())
            else:
                self._to_load.clear()
                backoff.reset()
                refused = False

    def stop(self) -> None:
        """Say good-bye and end; takes a few seconds at most."""
        if not self._started:
            return
        self._started = False
        self._tokens.following = False
        told_all = self._presence.stop(END)
        self._everybody.ready.set()
        self._to_load.set()
        parts = [gevent.spawn(stop, END) for stop in
                 (self._nodes.stop, self._upkeep.stop, self._cleanup.stop, self._loader.join,
                  self._channels.link.stop, self._shards.stop)]  # fmt: skip
        gevent.joinall(parts, timeout=3 * END)
        self._nodes.leave(told_all)

    @property
    def healthy(self) -> bool:
        """Return whether this node hears the others."""
        if not self._started:
            return True
        return self._shards.up and self._channels.link.up and self._everybody.live

    @property
    def node(self) -> str:
        """This node's name among the others."""
        return self._presence.node if self._started else self._first_name

    @property
    def losses(self) -> int:
        """How often the link to Redis was lost."""
        return self._shards.losses if self._started else 0

    @property
    def loops(self) -> list[Loop]:
        """Its background tasks."""
        if not self._started:
            return []
        own = [self._presence.loop, self._nodes.loop, self._upkeep.loop, self._cleanup.loop,
               self._loader, self._channels.link.loop]  # fmt: skip
        return [*own, *self._shards.loops]

    @property
    def others(self) -> list[dict[str, Any]]:
        """What the other nodes said of themselves lately."""
        return self._nodes.others if self._started else []

    # Publishing.

    def broadcast(self, opcode: int, data: bytes, group: str | None, exclude: str) -> None:
        """Send to a group's members, or to everybody, on all nodes. Raises PublishFailed."""
        kind = entries.TEXT if opcode == TEXT else entries.BINARY
        try:
            self._publish(self._publisher.publication(group, kind, data, exclude))
        except PublishFailed:
            if not (self._local and self._started):
                raise
            self._broadcast_locally(opcode, data, group, exclude)

    def _broadcast_locally(self, opcode: int, data: bytes, group: str | None, exclude: str) -> None:
        """While Redis is away, by setting: this node's clients alone, and told that it is so."""
        feed = self._shards.feeds.get(self._keys.stream(group))
        notice = json.dumps({"fws": "local", "group": group}).encode()
        self._server.spread(TEXT, notice, group, exclude)
        self._server.spread(opcode, data, group, exclude)
        if feed is not None:
            feed.local_only = True
            feed.behind()

    def disconnect(self, subject: str | None, name: str | None, code: int, reason: str) -> None:
        """Close connections on whatever node. Raises PublishFailed."""
        self._publish(
            self._publisher.disconnection(subject=subject, name=name, code=code, reason=reason)
        )

    def _publish(self, publication: Publication) -> None:
        if not self._started:
            self._publisher.send(publication)
        elif self._server.reactor.elsewhere():
            self._server.reactor.run_here(self._publish, publication)
        else:
            self._shards.of(self._keys.stream(publication.group)).lane.publish(publication)

    # Following.

    def joined(self, group: str, connection: Connection, first: bool) -> None:
        """A connection joined a group here; returns when nothing to it can be missed."""
        if not self._started:
            return
        self._presence.join(group, connection.id, connection.subject or "")
        if first:
            self._follow(group)
        feed = self._shards.feeds.get(self._keys.stream(group))
        if feed is None or feed.ready.is_set():
            return  # without one, all have left again while Redis was told
        on_hub = getcurrent() is get_hub()
        if on_hub or self._shards.of(feed.channel).link.failing or not feed.ready.wait(PATIENCE):
            feed.promised = not feed.ready.is_set()

    def left(self, group: str, connection: Connection, last: bool) -> None:
        """A connection left a group here."""
        if not self._started:
            return
        self._presence.leave(group, connection.id)
        if last:
            feed = self._shards.feeds.get(self._keys.stream(group))
            if feed is not None:
                self._shards.leave(feed)

    def _follow(self, group: str | None) -> Feed:
        feed = Feed(
            group, self._keys.stream(group), self._effects, self._gap, self._shards.catch_up,
            lambda: Inbox(self._server.reactor),
        )  # fmt: skip
        self._shards.follow(feed)
        return feed

    def _gap(self, group: str | None, reason: str) -> None:
        self.gaps += 1
        if group is None:
            self._to_load.set()
        elif reason in PRESENCE_IN_DOUBT and group in self._server.groups:
            self._presence.compare([group])
        self._server.gap_route.tell(self._server, {"group": group, "reason": reason})

    # Presence.

    def members(self, group: str) -> list[dict[str, Any]]:
        """A group's members on the other nodes. Raises StorageAway unless they are all."""
        return self._roster.members(group)

    def _is_mine(self, node: str) -> bool:
        return self._nodes.is_mine(node) if self._started else node == self._first_name

    def _members_here(self, group: str) -> list[tuple[str, str]]:
        members = self._server.groups.get(group)
        if members is None:
            return []
        return [(each.id, each.subject or "") for each in members.values()]

    def _groups(self) -> tuple[str, ...]:
        return tuple(self._server.groups)

    def _describe(self) -> dict[str, Any]:
        return self._server.statistics.summary()


def terms_of(settings: Any) -> StreamTerms:
    """How a server's settings have streams kept."""
    return StreamTerms(
        settings.redis_history,
        settings.redis_history_size,
        settings.redis_history_time,
        settings.publish_timeout,
    )
