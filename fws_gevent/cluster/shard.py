"""One server of Redis as a node uses it: what it hears, publishes and reads from there."""

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
    """Subscribes to, publishes to and reads from one server of Redis: one master of a cluster."""

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
        """Listen to a reader's channel, and read on from where it is."""
        self.subscription.subscribe(reader.channel, self._shards.subscribe_command)
        if not self._listens:
            self._listens = True
            self.subscription.start()

    def stop(self, timeout: float) -> None:
        """End what runs; waits for `timeout` seconds at most for each part of it."""
        if self._listens:
            self.subscription.stop(timeout)
        self.publish_queue.stop(timeout)
        self.catch_up.stop(timeout)

    @property
    def up(self) -> bool:
        """Return whether it hears all that it should."""
        return self.subscription.up or not self.subscription.wanted

    @property
    def loops(self) -> tuple[Loop, ...]:
        """Its background tasks."""
        return self.subscription.loop, self.publish_queue.loop, self.catch_up.loop

    def _connect(self) -> Any:
        self._shards.before_connecting(self)
        return self._shards.servers.connection(self.server)

    # What the subscription hears.

    def on_listening(self, channel: bytes) -> None:
        """A subscription was confirmed: what was sent before has to be read."""
        reader = self._shards.readers.get(channel)
        if reader is not None:
            reader.live = False
            self.catch_up.put(reader)

    def on_message(self, _kind: bytes, message: list[bytes]) -> int:
        """An entry came."""
        reader = self._shards.readers.get(message[1])
        return 1 if reader is None else reader.on_push(message[2])

    def on_taken(self, channel: bytes) -> None:
        """The server of this shard took a channel away."""
        self.subscription.wanted.pop(channel, None)
        reader = self._shards.readers.get(channel)
        if reader is not None:
            reader.live = False
            self._shards.moved_channels.put(channel, self)

    def on_up(self, _subscription: Subscription) -> None:
        """The subscription listens."""

    def on_down(self, _subscription: Subscription) -> None:
        """What comes next on the subscription may not follow on what came before."""
        for channel in self.subscription.wanted:
            reader = self._shards.readers.get(channel)
            if reader is not None:
                reader.live = False


class Shards:
    """All that a node follows, by the server that has it; `readers` are by their channels."""

    def __init__(
        self, servers: RedisServers, keys: Keys, terms: StreamTerms, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.clock = clock
        self.servers = servers
        self.keys = keys
        self.terms = terms
        self.readers: dict[bytes, StreamReader] = {}
        self._shards: dict[ServerName, Shard] = {}
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
        """The shard of the server that has a key."""
        try:
            server = self.servers.server_of(key)
        except redis.RedisError:
            server = ""  # not known yet: its subscription asks again at each attempt
        shard = self._shards.get(server)
        if shard is None:
            shard = self._shards[server] = Shard(self, server)
        return shard

    def publish_queue_of(self, stream: bytes) -> PublishQueue:
        """The queue for the messages to a stream."""
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
        """Follow a stream no more. Never waits; Redis learns of it a little later."""
        reader.closed = True
        if self.readers.get(reader.channel) is reader:
            del self.readers[reader.channel]
            gevent.spawn(self._unsubscribe, reader.channel)

    def _unsubscribe(self, channel: bytes) -> None:
        """Listen to a channel no more, unless it is followed again by now."""
        for shard in tuple(self._shards.values()):
            if channel not in self.readers:
                shard.subscription.unsubscribe(channel)

    def catch_up(self, reader: StreamReader, pause: float = 0.0) -> None:
        """Read what a reader has missed, in `pause` seconds."""
        self.of(reader.channel).catch_up.put(reader, pause)

    @property
    def up(self) -> bool:
        """Return whether all that is followed is heard."""
        return not self.moved_channels.pending and all(
            shard.up for shard in tuple(self._shards.values())
        )

    @property
    def loops(self) -> list[Loop]:
        """The background tasks of all of them."""
        of_shards = [loop for shard in tuple(self._shards.values()) for loop in shard.loops]
        return [self.moved_channels.loop, *of_shards]

    @property
    def losses(self) -> int:
        """How often a subscription was lost."""
        return sum(shard.subscription.losses for shard in tuple(self._shards.values()))

    def before_connecting(self, shard: Shard) -> None:
        """See which channels are another server's by now. Raises redis.RedisError."""
        if not self.servers.sharded:
            return
        self.servers.look_again()
        for channel in tuple(shard.subscription.wanted):
            if self.of(channel) is not shard:
                shard.subscription.wanted.pop(channel, None)
                self._follow_again(channel)

    def stop(self, timeout: float) -> None:
        """End it all; waits for `timeout` seconds at most for each part."""
        self.moved_channels.stop(timeout)
        for shard in tuple(self._shards.values()):
            shard.stop(timeout)
        self._shards.clear()
