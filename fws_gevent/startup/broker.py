"""Chooses the broker and the token store of a server by its storage object."""

from __future__ import annotations

from typing import NamedTuple

from ..broker.base import Broker
from ..broker.memory import MemoryBroker
from ..clock import SYSTEM_CLOCK, Clock
from ..settings import Settings
from ..storage.base import BaseStorageObject
from ..tokens import Tokens
from ..tokens.keys import KeyRing
from ..tokens.store import TokenStore


class Shared(NamedTuple):
    """The parts that nodes share besides the storage object."""

    broker: Broker
    token_store: TokenStore | None = None
    """The token store of all nodes, or None: each node has one of its own."""
    clock: Clock = SYSTEM_CLOCK

    def tokens(self, settings: Settings) -> Tokens:
        """Return the tokens of a node that has these. Raises ConfigurationError."""
        return Tokens(settings, KeyRing.from_settings(settings), self.token_store, self.clock)


def shared_with(
    settings: Settings, storage_object: BaseStorageObject | None, clock: Clock = SYSTEM_CLOCK
) -> Shared:
    """Return the shared parts of a node with this storage object.

    With a RedisStorageObject it is one of many nodes, which share the Redis and the prefix of keys.
    With any other storage object it is a single node.
    """
    if storage_object is None or not storage_object.shared:
        return Shared(MemoryBroker(), clock=clock)
    # Imported here alone: redis-py takes a quarter of the time of a start.
    from ..cluster.redis_broker import RedisBroker
    from ..cluster.token_store import RedisTokenStore
    from ..redis_io.publishing import StreamTerms
    from ..storage.redis import RedisStorageObject

    if not isinstance(storage_object, RedisStorageObject):
        return Shared(MemoryBroker(), clock=clock)
    servers, keys = storage_object.redis_servers, storage_object.redis_keys
    token_store = RedisTokenStore(servers, keys, StreamTerms(), clock)
    broker = RedisBroker(servers, keys, settings, token_store, clock)
    return Shared(broker, token_store, clock)
