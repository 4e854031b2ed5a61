"""A token is assigned while Redis is frozen: nothing waits, and nothing is left or joined twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from fws_gevent import signals
from fws_gevent.cluster import stream_readers
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import PATIENCE, Client
from ..conftest import Connect, Serve, StartRedis
from ..native_threads import in_thread
from ..node.guarded import bearer, greeted
from ..redis_processes import RedisProcess
from ..tokens.issuing import SECRET
from ..waiting import until


class Change(WebSocketMessageFilter):
    """Assigns each message as a token, and says which groups the connection is in."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.token = data.text
        web_socket_instance.send(" ".join(web_socket_instance.groups))


class Renew(WebSocketMessageFilter):
    """Assigns the claims of a token of the same subject."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        tokens = web_socket_instance.node.tokens
        web_socket_instance.token = tokens.verify(tokens.issue("ada"))
        web_socket_instance.send("renewed")


@pytest.fixture
def redis(start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch) -> RedisProcess:
    """A Redis that no test is patient enough to wait for."""
    monkeypatch.setattr(stream_readers, "JOIN_TIMEOUT", 10 * PATIENCE)
    return start_redis()


@pytest.fixture
def changes() -> Iterator[list[str]]:
    """The joins and leaves of groups, as subscribers of their buses are told."""
    told: list[str] = []

    def joined(_: object, web_socket_instance: Any, data: Any) -> None:
        told.append(f"joined {data.group}")

    def left(_: object, web_socket_instance: Any, data: Any) -> None:
        told.append(f"left {data.group}")

    signals.member_joined.connect(joined)
    signals.member_left.connect(left)
    yield told
    signals.member_joined.disconnect(joined)
    signals.member_left.disconnect(left)


def test_a_token_is_assigned_without_a_wait_and_messages_follow(
    redis: RedisProcess, serve: Serve, connect: Connect
) -> None:
    here, there = (
        serve([Change], extra={"storage_object": RedisStorageObject(port=redis.port)})
        for _ in range(2)
    )
    client = connect(here)
    until(lambda: here.users)
    redis.freeze()
    for name in ("blue", "red", "green"):
        client.send(name)
        assert client.receive() == name
    assert set(here.groups) == {"green"}
    (connection,) = here.users.values()
    in_thread(setattr, connection, "token", "grey")
    assert connection.groups == {"grey"}
    sending = gevent.spawn(here.broadcast, "from here", "grey")
    redis.thaw()
    sending.get()
    assert client.receive() == "from here"
    there.broadcast("left behind", "green")
    there.broadcast("from there", "grey")
    assert client.receive() == "from there"


def test_a_message_of_another_node_just_after_the_assignment_is_not_missed(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    redis = start_redis()
    here, there = (
        serve([Change], extra={"storage_object": RedisStorageObject(port=redis.port)})
        for _ in range(2)
    )
    client = connect(here)
    for number in range(30):
        client.send(f"room{number}")
        assert client.receive() == f"room{number}"
        there.broadcast(f"hello {number}", f"room{number}")
        assert client.receive() == f"hello {number}"


def guarded_by(
    redis: RedisProcess, serve: Serve, connect: Connect, *filters: Any
) -> tuple[FilteredWebSocketServer, Client]:
    """A node that asks for tokens, and a client that has joined its subject's group."""
    storage = RedisStorageObject(port=redis.port)
    node = serve(filters, extra={"storage_object": storage}, auth="required", signing_key=SECRET)
    until(lambda: node.tokens.store.following)  # type: ignore[attr-defined]
    client = connect(node, headers=bearer(node.tokens.issue("ada")))
    return node, greeted(client)


def test_a_renewal_by_the_client_changes_no_group_though_redis_is_frozen(
    redis: RedisProcess, serve: Serve, connect: Connect, changes: list[str]
) -> None:
    node, client = guarded_by(redis, serve, connect)
    until(lambda: changes)
    redis.freeze()
    for _ in range(3):
        client.send("token:" + node.tokens.issue("ada"))
        assert client.receive() == "token:accepted"
    assert changes == ["joined subject:ada"]
    redis.thaw()
    node.broadcast("still there", "subject:ada")
    assert client.receive() == "still there"


def test_a_renewal_by_a_filter_changes_no_group_though_redis_is_frozen(
    redis: RedisProcess, serve: Serve, connect: Connect, changes: list[str]
) -> None:
    node, client = guarded_by(redis, serve, connect, Renew)
    until(lambda: changes)
    redis.freeze()
    for _ in range(3):
        client.send("again")
        assert client.receive() == "renewed"
    assert changes == ["joined subject:ada"]
    redis.thaw()
    node.broadcast("still there", "subject:ada")
    assert client.receive() == "still there"
