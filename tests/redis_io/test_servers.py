"""Servers that are not there: each kind raises errors of redis-py."""

from __future__ import annotations

import pytest
import redis

from fws_gevent.redis_io.urls import servers_from_url

from ..waiting import free_port


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:{}", "redis+sentinel://127.0.0.1:{}/books",
            "redis+cluster://127.0.0.1:{}"],
)  # fmt: skip
def test_without_a_server_each_error_is_a_redis_error(url: str) -> None:
    servers = servers_from_url(url.format(free_port()))
    for ask in (
        lambda: servers.client.ping(),
        lambda: servers.connection("").connect(),
        lambda: servers.time(b"key"),
        lambda: servers.client.pipeline(transaction=False).get("key").execute(),
    ):
        with pytest.raises(redis.RedisError):
            ask()
    servers.close()
