"""The broker and the token store of a server, chosen by its storage object."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from fws_gevent import FilteredWebSocket
from fws_gevent.application import build_application
from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.cluster.redis_broker import RedisBroker
from fws_gevent.cluster.token_store import RedisTokenStore
from fws_gevent.server import build_server
from fws_gevent.settings import Settings
from fws_gevent.startup.broker import shared_with
from fws_gevent.storage.base import BaseStorageObject
from fws_gevent.storage.memory import MemoryStorageObject
from fws_gevent.storage.redis import RedisStorageObject
from fws_gevent.tokens.store import MemoryTokenStore


class SharedElsewhere(MemoryStorageObject):
    """A user's own storage object, which several processes see."""

    shared = True


class OwnRedis(RedisStorageObject):
    """A user's own kind of the storage object in Redis."""


@pytest.mark.parametrize("storage", [None, MemoryStorageObject(), SharedElsewhere()])
def test_a_node_without_redis_is_by_itself(storage: BaseStorageObject | None) -> None:
    shared = shared_with(Settings(), storage)
    assert isinstance(shared.broker, MemoryBroker)
    assert isinstance(shared.tokens(Settings()).store, MemoryTokenStore)


@pytest.mark.parametrize("kind", [RedisStorageObject, OwnRedis])
def test_a_node_with_redis_is_one_of_many_under_its_prefix(kind: type[RedisStorageObject]) -> None:
    storage = kind(key="mine")
    shared = shared_with(Settings(), storage)
    assert isinstance(shared.broker, RedisBroker)
    assert shared.broker._keys.prefix == "mine"
    assert shared.broker._servers is storage.redis_servers
    store = shared.tokens(Settings()).store
    assert isinstance(store, RedisTokenStore)
    assert shared.broker._tokens is store


def in_flask(storage: BaseStorageObject) -> Any:
    return FilteredWebSocket(Flask(__name__), storage_object=storage, filters=[]).server


@pytest.mark.parametrize(
    "build",
    [
        lambda storage: build_server(Namespace(port=0), storage, filters=[]).node,
        lambda storage: build_application(storage_object=storage, filters=[]).node,
        in_flask,
    ],
)
def test_each_way_to_build_a_server_makes_it_one_of_many(
    build: Callable[[BaseStorageObject], Any],
) -> None:
    storage = RedisStorageObject()
    node = build(storage)
    assert node.storage_object is storage
    assert isinstance(node.broker, RedisBroker)
    assert isinstance(node.tokens.store, RedisTokenStore)
