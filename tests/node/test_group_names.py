"""Invalid names of groups are refused everywhere, and no connection ends."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from fws_gevent import GroupNameInvalid, PublishFailed
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.filters.broadcast_messages_by_token import TokenMessageFilter
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject
from tests.conftest import Connect, Serve, StartRedis
from tests.redis_processes import RedisProcess
from tests.tokens.issuing import service

from .guarded import bearer, guarded

NO_NAMES: list[Any] = [None, True, 5, b"room", ["room"], {}, "", "é" * 128, "\ud800", "a\nb"]
ORDERS = ("join", "leave", "broadcast", "members", "token")


class Obey(WebSocketMessageFilter):
    """Passes on the name in `[ORDER, NAME]` unchecked, as careless filters do."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        order, name = json.loads(data.text)
        if order == "broadcast":
            web_socket_instance.broadcast("hello", name, include_self=True)
        elif order == "members":
            web_socket_instance.node.members(name)
        elif order == "token":
            web_socket_instance.token = name
        else:
            getattr(web_socket_instance, order)(name)
        web_socket_instance.send("done")


def without_redis(serve: Serve, redis: RedisProcess) -> FilteredWebSocketServer:
    return serve([Obey])


def with_redis(serve: Serve, redis: RedisProcess) -> FilteredWebSocketServer:
    return serve([Obey], extra={"storage_object": RedisStorageObject(port=redis.port)})


Make = Callable[[Serve, RedisProcess], FilteredWebSocketServer]
both = pytest.mark.parametrize("make", [without_redis, with_redis])


@both
def test_a_client_that_sends_an_invalid_name_gets_an_error_and_stays_connected(
    make: Make,
    serve: Serve,
    connect: Connect,
    redis_server: RedisProcess,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("fws_gevent"), "propagate", True)
    server = make(serve, redis_server)
    client = connect(server)
    for name in NO_NAMES:
        if isinstance(name, bytes):
            continue  # JSON has none
        for order in ORDERS:
            if (order, name) == ("broadcast", None) or (order == "token" and name != "\ud800"):
                continue  # everybody; and any other token has a text
            client.send(json.dumps([order, name]))
            assert str(client.receive()).startswith("Error: a group's name ")
    client.send(json.dumps(["join", "room"]))
    assert client.receive() == "done"
    assert list(server.groups) == ["room"]
    (chain,) = [each for name, each in server.node.events.chains.items() if name == "message"]
    assert not chain.failures
    assert [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")] == []


@both
@pytest.mark.parametrize("name", NO_NAMES, ids=repr)
def test_a_node_refuses_invalid_names(
    make: Make, name: Any, serve: Serve, redis_server: RedisProcess
) -> None:
    server = make(serve, redis_server)
    connection: Any = object()
    calls: list[Callable[[], Any]] = [
        lambda: server.node.join(name, connection),
        lambda: server.node.leave(name, connection),
        lambda: server.members(name),
    ]
    if name is not None:
        calls += [
            lambda: server.broadcast("x", group=name),
            lambda: server.node.membership.broadcast_here("x", group=name),
            lambda: server.disconnect(subject=name),
        ]
    for call in calls:
        with pytest.raises(GroupNameInvalid):
            call()
    assert not server.groups


def test_the_bundled_filter_of_tokens_tells_a_client_whose_token_is_too_long(
    serve: Serve, connect: Connect
) -> None:
    server = serve([TokenMessageFilter])
    client, other = connect(server), connect(server)
    for each in (client, other):
        each.send("token:kitchen")
        assert str(each.receive()).startswith("Successfully")
    client.send("token:" + "a" * 256)
    assert client.receive() == (
        "Error: a group's name must have 1 to 255 bytes of UTF-8, it has at least 256"
    )
    assert list(server.groups) == ["kitchen"]
    client.send("it is still in the kitchen")
    assert other.receive() == "it is still in the kitchen"


def test_with_tokens_asked_for_the_name_is_looked_at_first(serve: Serve, connect: Connect) -> None:
    server = guarded(serve, Obey)
    client = connect(server, headers=bearer(service().issue("ada", ["*"])))
    for name in (None, "\ud800", "a\nb"):
        client.send(json.dumps(["join", name]))
        assert str(client.receive()).startswith("Error: a group's name ")
    client.send(json.dumps(["join", "subject:bob"]))
    assert client.receive() == "Error: 4403 not allowed in group subject:bob"
    assert list(server.groups) == ["subject:ada"]


def test_an_invalid_name_is_refused_also_while_the_other_nodes_are_away(
    serve: Serve, start_redis: StartRedis
) -> None:
    redis = start_redis()
    server = with_redis(serve, redis)
    redis.stop()
    with pytest.raises(GroupNameInvalid):
        server.broadcast("x", group="")
    with pytest.raises(PublishFailed):
        server.broadcast("x", group="room")
