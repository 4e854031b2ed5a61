"""Where Redis is not: each way to it says so with errors of redis-py's own."""

from __future__ import annotations

import pytest
import redis

from fws_gevent.redis_io.urls import servers_from_url

from ..waiting import free_port


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:{}", "redis+sentinel://127.0.0.1:{}/books",
            "redis+cluster://127.0.0.1:{}"],
)  # fmt: skip
def test_where_nobody_answers_every_error_is_one_of_redis(url: str) -> None:
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
