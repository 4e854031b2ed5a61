"""A node that is made for settings and a storage object, and its signing key."""

from __future__ import annotations

import pytest

from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.cluster.redis_broker import RedisBroker
from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings
from fws_gevent.startup.node import make_node, settle_keys
from fws_gevent.storage.memory import MemoryStorageObject
from fws_gevent.storage.redis import RedisStorageObject
from tests.tokens.issuing import SECRET


def test_a_shared_storage_object_makes_it_one_of_many() -> None:
    storage = RedisStorageObject()
    node = make_node(Settings(), storage)
    assert node.storage_object is storage
    assert isinstance(node.broker, RedisBroker)


def test_without_one_it_is_alone() -> None:
    for node in (make_node(Settings()), make_node(Settings(), MemoryStorageObject())):
        assert isinstance(node.broker, MemoryBroker)


def test_a_random_key_is_for_one_process_on_loopback_alone() -> None:
    node = make_node(Settings(auth="required"))
    with pytest.raises(ConfigurationError, match="set FWS_SIGNING_KEY"):
        settle_keys(node, alone=False)
    assert node.tokens.keys is None
    settle_keys(node, alone=True)
    assert node.tokens.keys is not None
    assert not node.tokens.keys.lasting


@pytest.mark.parametrize("settings", [Settings(), Settings(auth="required", signing_key=SECRET)])
def test_where_none_is_missing_no_key_is_made(settings: Settings) -> None:
    node = make_node(settings)
    before = node.tokens.keys
    settle_keys(node, alone=False)
    assert node.tokens.keys is before
