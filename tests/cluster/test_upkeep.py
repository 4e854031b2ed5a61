"""Keys that a node keeps in Redis do not expire, and lost ones are written again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from fws_gevent.cluster import upkeep
from fws_gevent.cluster.upkeep import Upkeep

from ..conftest import Connect, Serve
from ..redis_processes import RedisProcess
from ..waiting import until
from .nodes_at_redis import DEAD_NODE, add_dead_node, broker_of, ids, join, node_at


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "INTERVAL", 0.05)


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    client = redis_server.client()
    yield client
    client.close()


@pytest.mark.usefixtures("_quick")
def test_keys_in_use_do_not_expire(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    server = node_at(serve, redis_server.port)
    member = join(connect, server, "room")
    name = broker_of(server).node_name
    kept = [
        f"fws:{{room}}:members:{name}", f"fws:{{*}}:groups:{name}", "fws:{room}:nodes",
        "fws:{room}:stream", "fws:{*}:stream",
    ]  # fmt: skip
    until(lambda: plain.exists(*kept) == len(kept))
    for key in kept:
        assert plain.expire(key, 20), key
    until(lambda: all(plain.ttl(key) > 20 for key in kept))
    assert ids(server) == [member]


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("lost", ["members:NODE", "nodes", "both", "one member"])
def test_members_that_redis_lost_are_told_again(
    lost: str, redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    one, two = node_at(serve, redis_server.port), node_at(serve, redis_server.port)
    here = sorted(join(connect, one, "room", "other") for _ in range(2))
    until(lambda: ids(two) == ids(two, "other") == here)
    name = broker_of(one).node_name
    members, holders = f"fws:{{room}}:members:{name}", "fws:{room}:nodes"
    with caplog.at_level(logging.WARNING, "fws_gevent.redis"):
        if lost == "one member":
            plain.hdel(members, here[0])
        else:
            plain.delete(*{"members:NODE": [members], "nodes": [holders]}.get(
                lost, [members, holders]))  # fmt: skip
        until(lambda: plain.hlen(members) == 2 and plain.sismember(holders, name))
        until(lambda: ids(two) == here)
        until(lambda: "Redis has lost members of" in caplog.text)
    assert broker_of(one).node_name == name
    assert ids(two, "other") == here


def test_of_many_groups_some_are_looked_at_and_all_where_one_was_lost(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(upkeep, "LOOK", 5)
    monkeypatch.setattr(upkeep, "INTERVAL", 60.0)
    monkeypatch.setattr(Upkeep, "refresh_interval", 1e9)
    server = node_at(serve, redis_server.port)
    groups = [f"g{number}" for number in range(23)]
    join(connect, server, *groups)
    name = broker_of(server).node_name
    until(lambda: len(plain.keys("fws:{g*:members:*")) == 23)
    work = broker_of(server)._upkeep
    seen = [work._next_groups() for _ in range(5)]
    assert [len(each) for each in seen] == [5, 5, 5, 5, 3]
    assert sorted(group for each in seen for group in each) == sorted(groups)
    plain.delete(*plain.keys("fws:{g*:members:*"))
    assert work._look(seen[0]) == 5
    until(lambda: len(plain.keys("fws:{g*:members:*")) == 5)
    monkeypatch.setattr(upkeep, "INTERVAL", 0.05)
    work._stop.set()
    work.loop.join(20)
    work._stop.clear()
    work.loop.start()
    until(lambda: len(plain.keys("fws:{g*:members:*")) == 23)
    assert broker_of(server).node_name == name


@pytest.mark.usefixtures("_quick")
def test_members_of_an_unknown_node_are_removed(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(upkeep, "LEASE", 0.1)
    server = node_at(serve, redis_server.port)
    add_dead_node(plain, ["room"])
    plain.delete("fws:{*}:nodes", f"fws:{{*}}:groups:{DEAD_NODE}")  # with the server that had these
    member = join(connect, server, "room")
    until(lambda: plain.smembers("fws:{room}:nodes") == {broker_of(server).node_name.encode()})
    until(lambda: not plain.exists(f"fws:{{room}}:members:{DEAD_NODE}"))
    assert ids(server) == [member]
