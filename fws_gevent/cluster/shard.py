"""One server of Redis as a node uses it: what it hears, publishes and reads from there."""

from __future__ import annotations

from typing import Any

import gevent
import redis

from ..clock import SYSTEM_CLOCK, Clock
from ..loop.supervision import Loop
from ..redis_io.keys import Keys
from ..redis_io.publishing import StreamTerms
from ..redis_io.servers import Place, RedisServers
from .catch_up import CatchUp
from .moves import Moves
from .publish_queue import Lane
from .stream_reader import Feed
from .subscription import Link


class Shard:
    """A link, a lane and a reader; one for all of Redis, or for each master of a cluster."""

    def __init__(self, shards: Shards, place: Place) -> None:
        self.place = place
        self.lane = Lane(
            shards.servers, shards.keys, shards.terms, place, shards.lane_of, shards.clock
        )
        self.catch_up = CatchUp(shards.servers, shards.terms, place, shards.catch_up, shards.clock)
        self.link = Link(place or shards.servers.name, self._connect, self, shards.clock)
        self._shards = shards
        self._listens = False

    def follow(self, feed: Feed) -> None:
        """Listen to a feed's channel, and read on from where it is."""
        self.link.subscribe(feed.channel, self._shards.subscribe_command)
        if not self._listens:
            self._listens = True
            self.link.start()

    def stop(self, timeout: float) -> None:
        """End what runs; waits for `timeout` seconds at most for each part of it."""
        if self._listens:
            self.link.stop(timeout)
        self.lane.stop(timeout)
        self.catch_up.stop(timeout)

    @property
    def up(self) -> bool:
        """Return whether it hears all that it should."""
        return self.link.up or not self.link.wanted

    @property
    def loops(self) -> tuple[Loop, ...]:
        """Its background tasks."""
        return self.link.loop, self.lane.loop, self.catch_up.loop

    def _connect(self) -> Any:
        self._shards.before_connecting(self)
        return self._shards.servers.connection(self.place)

    # What the link hears.

    def on_listening(self, channel: bytes) -> None:
        """A subscription was confirmed: what was sent before has to be read."""
        feed = self._shards.feeds.get(channel)
        if feed is not None:
            feed.live = False
            self.catch_up.put(feed)

    def on_message(self, _kind: bytes, message: list[bytes]) -> int:
        """An entry came."""
        feed = self._shards.feeds.get(message[1])
        return 1 if feed is None else feed.on_push(message[2])

    def on_taken(self, channel: bytes) -> None:
        """The server of this shard took a channel away."""
        self.link.wanted.pop(channel, None)
        feed = self._shards.feeds.get(channel)
        if feed is not None:
            feed.live = False
            self._shards.moves.put(channel, self)

    def on_up(self, _link: Link) -> None:
        """The link listens."""

    def on_down(self, _link: Link) -> None:
        """What comes next on the link may not follow on what came before."""
        for channel in self.link.wanted:
            feed = self._shards.feeds.get(channel)
            if feed is not None:
                feed.live = False


class Shards:
    """All that a node follows, by the server that has it; `feeds` are by their channels."""

    def __init__(
        self, servers: RedisServers, keys: Keys, terms: StreamTerms, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.clock = clock
        self.servers = servers
        self.keys = keys
        self.terms = terms
        self.feeds: dict[bytes, Feed] = {}
        self._shards: dict[Place, Shard] = {}
        self.moves: Moves[Shard] = Moves(servers.look_again, self.of, self._follow_again, clock)
        if servers.sharded:
            self.moves.loop.start()

    @property
    def subscribe_command(self) -> str:
        """The command that subscribes to a stream's channel."""
        return "SSUBSCRIBE" if self.servers.sharded else "SUBSCRIBE"

    def of(self, key: bytes) -> Shard:
        """The shard of the server that has a key."""
        try:
            place = self.servers.place_of(key)
        except redis.RedisError:
            place = ""  # nobody knows yet: its link asks until somebody does
        shard = self._shards.get(place)
        if shard is None:
            shard = self._shards[place] = Shard(self, place)
        return shard

    def lane_of(self, stream: bytes) -> Lane:
        """The lane for the messages to a stream."""
        return self.of(stream).lane

    def follow(self, feed: Feed) -> None:
        """Begin to follow the stream of one of `feeds`, unless it was left. May wait for Redis."""
        if not feed.closed:
            self._follow(feed)

    def _follow_again(self, channel: bytes) -> None:
        feed = self.feeds.get(channel)
        if feed is not None:
            self._follow(feed)

    def _follow(self, feed: Feed) -> None:
        shard = self.of(feed.channel)
        if not feed.closed:
            shard.follow(feed)

    def leave(self, feed: Feed) -> None:
        """Follow a stream no more. Never waits; Redis learns of it a little later."""
        feed.closed = True
        if self.feeds.get(feed.channel) is feed:
            del self.feeds[feed.channel]
            gevent.spawn(self._unsubscribe, feed.channel)

    def _unsubscribe(self, channel: bytes) -> None:
        """Listen to a channel no more, unless it is followed again by now."""
        for shard in tuple(self._shards.values()):
            if channel not in self.feeds:
                shard.link.unsubscribe(channel)

    def catch_up(self, feed: Feed, pause: float = 0.0) -> None:
        """Read what a feed has missed, in `pause` seconds."""
        self.of(feed.channel).catch_up.put(feed, pause)

    @property
    def up(self) -> bool:
        """Return whether all that is followed is heard."""
        return not self.moves.pending and all(shard.up for shard in tuple(self._shards.values()))

    @property
    def loops(self) -> list[Loop]:
        """The background tasks of all of them."""
        of_shards = [loop for shard in tuple(self._shards.values()) for loop in shard.loops]
        return [self.moves.loop, *of_shards]

    @property
    def losses(self) -> int:
        """How often a link was lost."""
        return sum(shard.link.losses for shard in tuple(self._shards.values()))

    def before_connecting(self, shard: Shard) -> None:
        """See which channels are another server's by now. Raises redis.RedisError."""
        if not self.servers.sharded:
            return
        self.servers.look_again()
        for channel in tuple(shard.link.wanted):
            if self.of(channel) is not shard:
                shard.link.wanted.pop(channel, None)
                self._follow_again(channel)

    def stop(self, timeout: float) -> None:
        """End it all; waits for `timeout` seconds at most for each part."""
        self.moves.stop(timeout)
        for shard in tuple(self._shards.values()):
            shard.stop(timeout)
        self._shards.clear()
