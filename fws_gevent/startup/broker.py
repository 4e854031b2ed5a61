"""What joins a server to others that share its storage: a broker, and a store of tokens."""

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
    """What the nodes of a server share besides the storage object."""

    broker: Broker
    token_store: TokenStore | None = None
    """Where tokens are remembered for all nodes; None: each node remembers its own."""
    clock: Clock = SYSTEM_CLOCK

    def tokens(self, settings: Settings) -> Tokens:
        """Return what issues and checks tokens with these. Raises ConfigurationError."""
        return Tokens(settings, KeyRing.from_settings(settings), self.token_store, self.clock)


def shared_with(
    settings: Settings, storage_object: BaseStorageObject | None, clock: Clock = SYSTEM_CLOCK
) -> Shared:
    """Return what a node with this storage object shares with others.

    A RedisStorageObject makes it one of many nodes, over the same Redis and under the same prefix
    of keys; with any other storage object it is a node by itself.
    """
    if storage_object is None or not storage_object.shared:
        return Shared(MemoryBroker(), clock=clock)
    # Only here: these bring redis-py along, a quarter of the time that a start takes.
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
