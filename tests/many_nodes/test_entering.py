"""Connections on their way in while Redis is frozen: they are found, and leave nothing behind."""

from __future__ import annotations

import gevent
import pytest

from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import Client
from ..conftest import Connect, Serve, StartRedis
from ..node.guarded import Script, bearer, is_empty
from ..redis_processes import RedisProcess
from ..tokens.issuing import SECRET
from ..waiting import until


class Site:
    """A node that asks for tokens, whose Redis is frozen, and a client that waits to join."""

    def __init__(self, redis: RedisProcess, serve: Serve, connect: Connect) -> None:
        self.redis = redis
        self.node: FilteredWebSocketServer = serve(
            [Script],
            extra={"storage_object": RedisStorageObject(port=redis.port)},
            auth="required",
            signing_key=SECRET,
        )
        until(lambda: self.node.tokens.store.following)  # type: ignore[attr-defined]
        token = self.node.tokens.issue("ada")
        redis.freeze()
        self.client: Client = connect(self.node, headers=bearer(token))
        until(lambda: self.node.users)


@pytest.fixture
def site(start_redis: StartRedis, serve: Serve, connect: Connect) -> Site:
    return Site(start_redis(), serve, connect)


def test_one_that_waits_to_join_is_found_by_its_id(site: Site) -> None:
    (name,) = site.node.users
    assert site.node.disconnect(id=name) == 1
    assert site.client.frame().close[0] == 1000
    site.client.close(1000)
    site.redis.thaw()
    until(lambda: not site.node.live)
    assert is_empty(site.node)


def test_one_that_waits_to_join_is_told_when_the_node_stops(site: Site) -> None:
    stopping = gevent.spawn(site.node.stop)
    assert site.client.frame().close[0] == 1001
    site.client.close(1001)
    site.redis.thaw()
    stopping.join()
    assert is_empty(site.node)


def test_one_that_waits_to_join_is_revoked_as_soon_as_redis_says_so(site: Site) -> None:
    site.redis.thaw()
    site.node.tokens.revoke_subject("ada")
    assert site.client.frame().close == (4401, "the token was revoked")
    site.client.close(4401)
    until(lambda: not site.node.live)
    assert is_empty(site.node)
