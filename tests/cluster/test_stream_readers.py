"""Joins and leaves start and stop to follow streams, with and without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import get_hub

from fws_gevent.cluster import stream_readers
from fws_gevent.cluster.redis_broker import RedisBroker
from fws_gevent.protocol.frames import TEXT
from fws_gevent.settings import Settings
from fws_gevent.startup.broker import shared_with
from fws_gevent.storage.redis import RedisStorageObject

from ..broker.hosts import Host
from ..conftest import StartRedis
from ..redis_processes import RedisProcess
from ..waiting import until

MakeHost = Callable[[int], Host]

HELLO = bytes((TEXT,)) + b"hello"
STREAM = b"fws:{room}:stream"


@pytest.fixture
def make() -> Iterator[MakeHost]:
    """Starts nodes: make(port)."""
    made: list[tuple[Host, RedisStorageObject]] = []

    def make_one(port: int) -> Host:
        storage = RedisStorageObject(port=port)
        host = Host(shared_with(Settings(), storage).broker)
        made.append((host, storage))
        host.start()
        return host

    yield make_one
    for host, storage in made:
        host.stop()
        storage.close()


def readers_of(host: Host) -> dict[bytes, Any]:
    """The streams that a node follows, by their channels."""
    assert isinstance(host.broker, RedisBroker)
    return host.broker._shards.readers


def in_the_hub(function: Callable[..., object], *arguments: Any) -> None:
    """Call something in the hub, where nothing may wait, and raise what it raises."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            function(*arguments)
        except BaseException as error:
            raised.append(error)

    get_hub().loop.run_callback(call)
    gevent.sleep(0)
    for error in raised:
        raise error


def test_a_join_waits_until_redis_has_confirmed_it(
    redis_server: RedisProcess, make: MakeHost
) -> None:
    host = make(redis_server.port)
    host.enter("c", "room")
    assert readers_of(host)[STREAM].ready.is_set()


def test_a_join_waits_no_longer_than_the_bound_and_a_gap_is_told_then(
    start_redis: StartRedis, make: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = start_redis()
    host = make(redis.port)
    until(lambda: host.broker.healthy)
    monkeypatch.setattr(stream_readers, "JOIN_TIMEOUT", 0.05)
    redis.freeze()
    host.enter("c", "room")
    assert not readers_of(host)[STREAM].ready.is_set()
    redis.thaw()
    until(lambda: host.gaps == [("room", "late")])
    assert host.broker.gaps == 1


def test_one_that_does_not_wait_is_in_the_group_though_redis_says_nothing(
    start_redis: StartRedis, make: MakeHost
) -> None:
    redis = start_redis()
    host = make(redis.port)
    until(lambda: host.broker.healthy)
    redis.freeze()
    host.enter("c", "room", wait=False)
    assert not readers_of(host)[STREAM].ready.is_set()
    redis.thaw()
    host.broker.publish(TEXT, b"hello", "room", "")
    until(lambda: host.got["c"] == [HELLO])
    assert host.gaps == []


def test_one_that_does_not_wait_is_told_of_a_gap_where_that_takes_long(
    start_redis: StartRedis, make: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = start_redis()
    host = make(redis.port)
    until(lambda: host.broker.healthy)
    monkeypatch.setattr(stream_readers, "JOIN_TIMEOUT", 0.05)
    redis.freeze()
    host.enter("c", "room", wait=False)
    until(lambda: readers_of(host)[STREAM].gap_due)
    redis.thaw()
    until(lambda: host.gaps == [("room", "late")])


def test_groups_may_be_joined_and_left_in_the_hub(
    redis_server: RedisProcess, make: MakeHost
) -> None:
    host = make(redis_server.port)
    in_the_hub(host.enter, "c", "room", "other")
    host.broker.publish(TEXT, b"hello", "room", "")
    until(lambda: host.got["c"] == [HELLO])
    in_the_hub(host.leave, "c", "room")
    with redis_server.client() as client:
        until(lambda: client.pubsub_numsub(STREAM.decode()) == [(STREAM, 0)])
    assert STREAM not in readers_of(host)


def test_a_group_that_all_left_while_redis_was_told_of_the_join_is_not_followed(
    redis_server: RedisProcess, make: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make(redis_server.port)
    shards = host.broker._shards  # type: ignore[attr-defined]
    follow = shards.follow

    def follow_while_all_leave(reader: Any) -> None:
        follow(reader)
        host.leave("c", "room")

    monkeypatch.setattr(shards, "follow", follow_while_all_leave)
    host.enter("c", "room")
    assert STREAM not in readers_of(host)


def test_a_group_that_is_left_before_its_join_began_is_never_followed(
    redis_server: RedisProcess, make: MakeHost
) -> None:
    host = make(redis_server.port)
    host.enter("c", "room", wait=False)
    host.leave("c", "room")
    host.enter("d", "other")
    assert STREAM not in host.broker._shards.of(STREAM).subscription.wanted  # type: ignore[attr-defined]


def test_all_members_wait_for_the_join_of_the_first_one(
    redis_server: RedisProcess, make: MakeHost
) -> None:
    host = make(redis_server.port)
    host.enter("c", "room", wait=False)
    host.enter("d", "room")
    assert readers_of(host)[STREAM].ready.is_set()
