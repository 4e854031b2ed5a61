"""Members of a group: all of them, or an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from fws_gevent.cluster import nodes, upkeep
from fws_gevent.errors import PublishFailed, StorageAway
from fws_gevent.server import FilteredWebSocketServer

from ..conftest import Connect, Serve, StartRedis
from ..redis_processes import RedisProcess
from ..waiting import until
from .nodes_at_redis import broker_of, ids, join, node_at


@pytest.fixture
def _no_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has no node notice anything by itself."""
    monkeypatch.setattr(nodes, "HEARTBEAT", 60.0)
    monkeypatch.setattr(nodes, "LEASE", 300.0)
    monkeypatch.setattr(upkeep, "INTERVAL", 60.0)


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    client = redis_server.client()
    yield client
    client.close()


def two_members(
    port: int, serve: Serve, connect: Connect
) -> tuple[FilteredWebSocketServer, FilteredWebSocketServer, list[str]]:
    """Two nodes that know of a member of each."""
    one, two = node_at(serve, port), node_at(serve, port)
    here = sorted(join(connect, server, "room") for server in (one, two))
    until(lambda: ids(one) == ids(two) == here)
    return one, two, here


@pytest.mark.usefixtures("_no_signs")
@pytest.mark.parametrize("lost", ["members", "nodes", "all of the group"])
def test_members_that_redis_lost_are_no_empty_list(
    lost: str, redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    one, two, here = two_members(redis_server.port, serve, connect)
    name = broker_of(two).node_name
    keys = {"members": [f"fws:{{room}}:members:{name}"], "nodes": ["fws:{room}:nodes"]}
    plain.delete(*keys.get(lost, [*keys["members"], *keys["nodes"]]))
    with pytest.raises(StorageAway, match="can't be told who is in the group"):
        one.members("room")
    broker_of(two)._presence.compare(["room"])
    broker_of(one)._presence.compare(["room"])
    until(lambda: plain.hlen(f"fws:{{room}}:members:{name}"))
    assert ids(one) == here


@pytest.mark.usefixtures("_no_signs")
def test_members_of_nodes_whose_names_redis_lost_are_told(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    one, two, here = two_members(redis_server.port, serve, connect)
    plain.delete("fws:{*}:nodes")
    assert ids(one) == ids(two) == here


@pytest.mark.usefixtures("_no_signs")
def test_a_node_that_holds_the_group_has_members_of_it(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    one, two, _ = two_members(redis_server.port, serve, connect)
    name = broker_of(two).node_name
    plain.delete(f"fws:{{room}}:members:{name}", f"fws:{{*}}:groups:{name}")
    with pytest.raises(StorageAway, match="whose names are missing"):
        one.members("room")


def test_members_of_a_node_that_must_be_alive_are_not_left_out(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(nodes, "HEARTBEAT", 0.05)
    monkeypatch.setattr(nodes, "LEASE", 300.0)
    one, two, here = two_members(redis_server.port, serve, connect)
    name = broker_of(two).node_name
    until(lambda: broker_of(one)._nodes._leases.lasts(name))
    broker_of(two)._nodes.stop(20.0)
    plain.delete(f"fws:{{*}}:node:{name}")
    for _ in range(2):
        with pytest.raises(StorageAway, match="forgotten that node"):
            one.members("room")
        broker_of(one)._nodes.beat_now()
        gevent.sleep(0.1)
    assert plain.hlen(f"fws:{{room}}:members:{name}") == 1, "it is no dead node"
    plain.set(f"fws:{{*}}:node:{name}", "-")
    until(lambda: ids(one) == [each for each in here if each in one.users])


def test_asking_for_members_changes_nothing(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    one, *_ = two_members(redis_server.port, serve, connect)
    names = ["fws:{room}:sent:", "fws:{*}:sent:"]
    assert not plain.exists(*names)
    for each in names:
        plain.set(each, "1-1", ex=100)
    one.members("room")
    assert [plain.get(each) for each in names] == [b"1-1"] * 2
    assert all(plain.ttl(each) > 0 for each in names)


@pytest.mark.usefixtures("_no_signs")
def test_after_redis_has_forgotten_all_there_is_no_half_list(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    one, two, here = two_members(redis_server.port, serve, connect)
    broker_of(one)._nodes.beat_now()
    until(lambda: broker_of(one).others)
    plain.flushall()
    with pytest.raises(StorageAway):  # the other one has not noticed yet
        one.members("room")
    broker_of(two)._nodes.beat_now()
    until(lambda: len(plain.keys("fws:{room}:members:*")) == 2)
    assert ids(one) == ids(two) == here


def test_while_redis_is_full_it_is_not_told_and_nodes_live_on(
    start_redis: StartRedis, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "HEARTBEAT", 0.05)
    monkeypatch.setattr(nodes, "LEASE", 3.0)
    process = start_redis()
    one, two, here = two_members(process.port, serve, connect)
    names = [broker_of(each).node_name for each in (one, two)]
    client: Any = process.client()
    client.config_set("maxmemory", 1)
    with pytest.raises(StorageAway, match="maxmemory"):
        one.members("room")
    newest = join(connect, two, "room")  # which can't be told now
    leases = [f"fws:{{*}}:node:{name}" for name in names]
    for lease in leases:
        client.pexpire(lease, 1500)
    until(lambda: all(client.pttl(lease) > 1500 for lease in leases))
    client.config_set("maxmemory", 0)
    until(lambda: one.node.healthy)
    until(lambda: client.hexists(f"fws:{{room}}:members:{names[1]}", newest))
    assert ids(one) == sorted([*here, newest])
    assert [broker_of(each).node_name for each in (one, two)] == names
    client.close()


def test_to_disconnect_goes_on_where_it_can_not_be_counted(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    one, *_ = two_members(redis_server.port, serve, connect)

    def away(group: str) -> list[dict[str, Any]]:
        raise StorageAway("as told")

    monkeypatch.setattr(broker_of(one), "members", away)
    with pytest.raises(StorageAway, match="told to close, but how many is not known") as caught:
        one.disconnect(subject="ada", code=4000)
    assert not isinstance(caught.value, PublishFailed)
    entries = [fields for _, fields in plain.xrange("fws:{subject:ada}:stream")]
    assert [json.loads(each[b"data"])["code"] for each in entries] == [4000]


def test_a_change_under_way_is_waited_for(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    one, two, here = two_members(redis_server.port, serve, connect)
    name = broker_of(two).node_name
    plain.srem("fws:{room}:nodes", name)
    asking = gevent.spawn(ids, one)
    gevent.sleep(0.05)
    assert not asking.ready()
    plain.sadd("fws:{room}:nodes", name)
    assert asking.get(timeout=20) == here
