"""The servers of Redis as a node uses them: it subscribes, publishes and reads at each of them."""

from __future__ import annotations

from typing import Any

import gevent
import redis

from ..clock import SYSTEM_CLOCK, Clock
from ..loop.supervision import Loop
from ..redis_io.keys import Keys
from ..redis_io.publishing import StreamTerms
from ..redis_io.servers import RedisServers, ServerName
from .catch_up import CatchUp
from .moved_channels import MovedChannels
from .publish_queue import PublishQueue
from .stream_reader import StreamReader
from .subscription import Subscription


class Shard:
    """A subscription, a publish queue and a catch-up at one server of Redis.

    There is one shard for all of Redis, or one for each master of a Redis Cluster.
    """

    def __init__(self, shards: Shards, server: ServerName) -> None:
        self.server = server
        self.publish_queue = PublishQueue(
            shards.servers, shards.keys, shards.terms, server, shards.publish_queue_of, shards.clock
        )
        self.catch_up = CatchUp(shards.servers, shards.terms, server, shards.catch_up, shards.clock)
        self.subscription = Subscription(
            server or shards.servers.name, self._connect, self, shards.clock
        )
        self._shards = shards
        self._listens = False

    def follow(self, reader: StreamReader) -> None:
        """Listen to the channel of a reader's stream, and read on from its position."""
        self.subscription.subscribe(reader.channel, self._shards.subscribe_command)
        if not self._listens:
            self._listens = True
            self.subscription.start()

    def stop(self, timeout: float) -> None:
        """Stop all parts, also of later calls; wait for at most `timeout` seconds for each."""
        self.subscription.stop(timeout)
        self.publish_queue.stop(timeout)
        self.catch_up.stop(timeout)

    @property
    def up(self) -> bool:
        """Return whether it listens to all its channels."""
        return self.subscription.up or not self.subscription.wanted

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The background tasks."""
        return self.subscription.loop, self.publish_queue.loop, self.catch_up.loop

    def _connect(self) -> Any:
        self._shards.before_connecting(self)
        return self._shards.servers.connection(self.server)

    # Called by the subscription (see `subscription.Listener`).

    def on_listening(self, channel: bytes) -> None:
        """Read the entries that were published before Redis confirmed the channel."""
        reader = self._shards.readers.get(channel)
        if reader is not None:
            reader.live = False
            self.catch_up.put(reader)

    def on_message(self, _kind: bytes, message: list[bytes]) -> int:
        """Give an entry to the reader of its stream."""
        reader = self._shards.readers.get(message[1])
        return 1 if reader is None else reader.on_push(message[2])

    def on_ended(self, channel: bytes) -> None:
        """Look for the server that a channel has moved to."""
        self.subscription.wanted.pop(channel, None)
        reader = self._shards.readers.get(channel)
        if reader is not None:
            reader.live = False
            self._shards.moved_channels.put(channel, self)

    def on_up(self, _subscription: Subscription) -> None:
        """Do nothing: `on_listening` follows for each channel."""

    def on_down(self, _subscription: Subscription) -> None:
        """Mark all streams: entries may be missing before the next one that arrives."""
        for channel in self.subscription.wanted:
            reader = self._shards.readers.get(channel)
            if reader is not None:
                reader.live = False


class Shards:
    """All shards, by server. `readers` has the reader of each followed stream, by channel."""

    def __init__(
        self, servers: RedisServers, keys: Keys, terms: StreamTerms, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.clock = clock
        self.servers = servers
        self.keys = keys
        self.terms = terms
        self.readers: dict[bytes, StreamReader] = {}
        self._shards: dict[ServerName, Shard] = {}
        self._stopped = False
        self.moved_channels: MovedChannels[Shard] = MovedChannels(
            servers.look_again, self.of, self._follow_again, clock
        )
        if servers.sharded:
            self.moved_channels.loop.start()

    @property
    def subscribe_command(self) -> str:
        """The command that subscribes to a stream's channel."""
        return "SSUBSCRIBE" if self.servers.sharded else "SUBSCRIBE"

    def of(self, key: bytes) -> Shard:
        """Return the shard of the server that has a key; after `stop`, one that stops at once.

        It may wait for Redis, so `stop` may come meanwhile.
        """
        try:
            server = self.servers.server_of(key)
        except redis.RedisError:
            server = ""  # not known yet: the subscription asks again at each attempt
        shard = self._shards.get(server)
        if shard is None:
            shard = Shard(self, server)
            if self._stopped:
                gevent.spawn(shard.stop, 0.0)  # in the hub, too, where nothing may wait
            else:
                self._shards[server] = shard
        return shard

    def publish_queue_of(self, stream: bytes) -> PublishQueue:
        """Return the publish queue for a stream."""
        return self.of(stream).publish_queue

    def follow(self, reader: StreamReader) -> None:
        """Follow the stream of one of `readers`, unless it was left. May wait for Redis."""
        if not reader.closed:
            self._follow(reader)

    def _follow_again(self, channel: bytes) -> None:
        reader = self.readers.get(channel)
        if reader is not None:
            self._follow(reader)

    def _follow(self, reader: StreamReader) -> None:
        shard = self.of(reader.channel)
        if not reader.closed:
            shard.follow(reader)

    def leave(self, reader: StreamReader) -> None:
        """Stop following a stream. Never waits: the command to Redis is sent later."""
        reader.closed = True
        if self.readers.get(reader.channel) is reader:
            del self.readers[reader.channel]
            gevent.spawn(self._unsubscribe, reader.channel)

    def _unsubscribe(self, channel: bytes) -> None:
        """Stop listening to a channel, unless it is followed again by now."""
        for shard in tuple(self._shards.values()):
            if channel not in self.readers:
                shard.subscription.unsubscribe(channel)

    def catch_up(self, reader: StreamReader, pause: float = 0.0) -> None:
        """Have a reader read what it has missed, in `pause` seconds."""
        self.of(reader.channel).catch_up.put(reader, pause)

    @property
    def up(self) -> bool:
        """Return whether all channels are listened to."""
        return not self.moved_channels.pending and all(
            shard.up for shard in tuple(self._shards.values())
        )

    @property
    def loops(self) -> list[Loop]:
        """The background tasks of all shards."""
        of_shards = [loop for shard in tuple(self._shards.values()) for loop in shard.loops]
        return [self.moved_channels.loop, *of_shards]

    @property
    def losses(self) -> int:
        """The number of lost connections of all subscriptions."""
        return sum(shard.subscription.losses for shard in tuple(self._shards.values()))

    def before_connecting(self, shard: Shard) -> None:
        """Give channels that have moved to their new shards. Raises redis.RedisError."""
        if not self.servers.sharded:
            return
        self.servers.look_again()
        for channel in tuple(shard.subscription.wanted):
            if self.of(channel) is not shard:
                shard.subscription.wanted.pop(channel, None)
                self._follow_again(channel)

    def stop(self, timeout: float) -> None:
        """Stop all shards; wait for at most `timeout` seconds for each part."""
        self._stopped = True
        self.moved_channels.stop(timeout)
        for shard in tuple(self._shards.values()):
            shard.stop(timeout)
        self._shards.clear()
