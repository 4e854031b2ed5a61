"""Nodes that start, stop, die, and are taken for dead: members are right again, nothing leaks."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fws_gevent import signals
from fws_gevent.cluster import nodes
from fws_gevent.errors import StorageAway
from fws_gevent.filters.base import WebSocketGapFilter, WebSocketMessageFilter
from fws_gevent.redis_io import servers
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.signals import Member
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import Client
from ..conftest import Connect, Serve, Start
from ..redis_processes import RedisProcess
from ..redis_proxy import proxy_to
from ..waiting import until

Node = Callable[..., FilteredWebSocketServer]

DEAD_NODE = "elsewhere:1:dead"


class Rooms(WebSocketMessageFilter):
    """Joins the group that a message names, and answers with the connection's id."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.join(data.text)
        web_socket_instance.send(web_socket_instance.id)


class TellGap(WebSocketGapFilter):
    """Tells the members of a gap by its reason."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        if data["group"] is not None:
            web_socket_instance.broadcast_here(data["reason"], group=data["group"])


@pytest.fixture
def node(redis_server: RedisProcess, serve: Serve) -> Node:
    """Starts a node: node()."""

    def start(**settings: Any) -> FilteredWebSocketServer:
        storage = RedisStorageObject(port=redis_server.port)
        return serve([Rooms, TellGap], extra={"storage_object": storage}, **settings)

    return start


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "HEARTBEAT", 0.05)


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    """Another application's client."""
    client = redis_server.client()
    yield client
    client.close()


def join(client: Client, group: str = "room") -> str:
    client.send(group)
    answer = client.receive()
    assert isinstance(answer, str)
    return answer


def name(server: FilteredWebSocketServer) -> str:
    return server.node.broker.node_name


def others(server: FilteredWebSocketServer) -> list[dict[str, Any]]:
    return list(server.node.broker.others)


def ids(server: FilteredWebSocketServer, group: str = "room") -> list[str]:
    """The members that a node names; none while it can't tell."""
    try:
        return sorted(each.id for each in server.members(group))
    except StorageAway:
        return []


def keys(plain: Any, part: str) -> list[bytes]:
    """The keys with `part` in their names, without the messages themselves."""
    found = (key for key in plain.scan_iter() if part.encode() in key)
    return sorted(key for key in found if not key.endswith(b":stream") and b":sent:" not in key)


def add_dead_node(plain: Any, groups: list[str], member: str = "m1") -> None:
    """Leave behind what a dead node leaves."""
    plain.sadd(f"fws:{{*}}:groups:{DEAD_NODE}", *groups)
    for group in groups:
        plain.hset(f"fws:{{{group}}}:members:{DEAD_NODE}", member, "ada")
        plain.sadd(f"fws:{{{group}}}:nodes", DEAD_NODE)
    plain.sadd("fws:{*}:nodes", DEAD_NODE)


@pytest.mark.usefixtures("_quick")
def test_each_node_knows_the_status_of_the_others(node: Node, connect: Connect, plain: Any) -> None:
    one, two, three = servers = node(), node(), node()
    connect(three)
    until(lambda: all(len(others(server)) == 2 for server in servers))
    until(lambda: sorted(each["connections"] for each in others(one)) == [0, 1])
    assert [each["this"] for each in one.node.statistics.snapshot()["nodes"]] == [
        True,
        False,
        False,
    ]
    said = json.loads(plain.get(f"fws:{{*}}:node:{name(two)}"))
    assert said["state"] == "serving"
    assert 0 < plain.pttl(f"fws:{{*}}:node:{name(two)}") <= nodes.LEASE * 1000
    two.stop(0.1)
    until(lambda: len(others(one)) == 1)


@pytest.mark.usefixtures("_quick")
def test_a_node_that_ends_leaves_nothing_of_itself(
    node: Node, connect: Connect, plain: Any
) -> None:
    one, two = node(), node()
    join(connect(one))
    until(lambda: ids(two))
    gone, stays = name(one), name(two)
    one.stop(0.1)
    until(lambda: plain.smembers("fws:{*}:nodes") == {stays.encode()})
    until(lambda: keys(plain, "") == [b"fws:{*}:node:" + stays.encode(), b"fws:{*}:nodes"])
    assert keys(plain, gone) == []


@pytest.mark.usefixtures("_quick")
def test_members_of_a_dead_node_are_removed_and_told_once(
    node: Node, connect: Connect, plain: Any
) -> None:
    servers = [node(), node()]
    told: list[list[Any]] = [[], []]

    def hear(heard: list[Any]) -> Any:
        return lambda server, web_socket_instance, data: heard.append(data)

    receivers = [hear(heard) for heard in told]
    for server, receiver in zip(servers, receivers, strict=True):
        join(connect(server))
        signals.member_left.connect(receiver, sender=server, weak=False)
    try:
        more = [f"other {number}" for number in range(120)]
        add_dead_node(plain, ["room", *more])
        until(lambda: not keys(plain, DEAD_NODE))
        until(lambda: all(told))
    finally:
        for server, receiver in zip(servers, receivers, strict=True):
            signals.member_left.disconnect(receiver, sender=server)
    gone = Member("room", "m1", "ada", DEAD_NODE)
    assert told == [[gone], [gone]]
    assert keys(plain, "other") == []
    assert not plain.sismember("fws:{*}:nodes", DEAD_NODE)
    assert not plain.sismember("fws:{room}:nodes", DEAD_NODE)
    assert len(ids(servers[0])) == 2


def test_a_dead_nodes_members_are_none_before_they_are_cleared_away(node: Node, plain: Any) -> None:
    server = node()
    plain.set(f"fws:{{*}}:node:{DEAD_NODE}", "{}")
    add_dead_node(plain, ["room"])
    assert ids(server) == ["m1"]
    plain.delete(f"fws:{{*}}:node:{DEAD_NODE}")
    assert ids(server) == []


@pytest.mark.usefixtures("_quick")
def test_a_clean_up_by_a_node_that_died_is_finished_by_another(node: Node, plain: Any) -> None:
    plain.set(f"fws:{{*}}:cleaning:{DEAD_NODE}", "somebody", px=60_000)
    add_dead_node(plain, ["room"])
    one, two = node(), node()
    until(lambda: others(one) and others(two))
    assert plain.exists(f"fws:{{room}}:members:{DEAD_NODE}")
    plain.pexpire(f"fws:{{*}}:cleaning:{DEAD_NODE}", 1)
    until(lambda: not keys(plain, DEAD_NODE))


@pytest.mark.usefixtures("_quick")
def test_a_node_that_was_taken_for_dead_goes_on_under_another_name(
    node: Node, connect: Connect, plain: Any
) -> None:
    one, two = servers = node(), node()
    clients = [connect(server) for server in servers]
    a, b = map(join, clients)
    until(lambda: ids(one) == ids(two) == sorted((a, b)))
    present = {(a, name(one)), (b, name(two))}

    def came(server: Any, web_socket_instance: Any, data: Any) -> None:
        present.add((data.id, data.node))

    def went(server: Any, web_socket_instance: Any, data: Any) -> None:
        present.remove((data.id, data.node))

    signals.member_joined.connect(came, sender=two, weak=False)
    signals.member_left.connect(went, sender=two, weak=False)
    before, other = name(one), name(two)
    try:
        plain.delete(f"fws:{{*}}:node:{before}")
        until(lambda: name(one) != before)
        until(lambda: not keys(plain, before) and ids(two) == sorted((a, b)))
        until(lambda: present == {(a, name(one)), (b, other)})
    finally:
        signals.member_joined.disconnect(came, sender=two)
        signals.member_left.disconnect(went, sender=two)
    until(lambda: plain.smembers("fws:{*}:nodes") == {name(one).encode(), other.encode()})
    assert plain.smembers("fws:{room}:nodes") == {name(one).encode(), other.encode()}
    assert ids(one) == sorted((a, b))
    one.broadcast("still one group", group="room")
    assert [client.receive() for client in clients] == ["still one group"] * 2
    clients[0].drop()
    until(lambda: ids(two) == [b])
    for server in servers:
        server.stop(0.1)
    until(lambda: keys(plain, "") == [])


@pytest.mark.usefixtures("_quick")
def test_by_their_ids_members_leave_before_they_join_again(
    node: Node, connect: Connect, plain: Any
) -> None:
    one, two = node(), node()
    members = sorted(join(connect(one)) for _ in range(3))
    join(connect(two))
    until(lambda: len(ids(two)) == 4)
    before = name(one)
    plain.delete(f"fws:{{*}}:node:{before}")
    until(lambda: not keys(plain, before) and len(ids(two)) == 4)
    present: dict[str, bool] = {}
    for _, fields in plain.xrange("fws:{room}:stream"):
        if fields[b"kind"] in (b"join", b"leave"):
            present[json.loads(fields[b"data"])["id"]] = fields[b"kind"] == b"join"
    assert all(present[member] for member in members)


def test_a_lost_lease_is_noticed_though_answers_were_lost(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(nodes, "HEARTBEAT", 0.05)
    monkeypatch.setattr(servers, "CONNECTION", {**servers.CONNECTION, "socket_timeout": 0.1})
    with proxy_to(redis_server.port) as proxy:
        one, two = (
            serve([Rooms], extra={"storage_object": RedisStorageObject(port=port)})
            for port in (proxy.port, redis_server.port)
        )
        here = sorted(join(connect(server)) for server in (one, two))
        until(lambda: ids(two) == here)
        before, set_so_far = name(one), calls(plain, "pexpire")
        plain.flushall()
        proxy.deaf = True
        until(lambda: calls(plain, "pexpire") > set_so_far + 20)  # which nobody heard of
        proxy.deaf = False
        until(lambda: name(one) != before)
        until(lambda: len(plain.keys("fws:{room}:members:*")) == 2)
        until(lambda: ids(two) == here)


def calls(plain: Any, command: str) -> int:
    """Return the number of times that Redis has run a command."""
    return int(plain.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_members_left_at_the_end_of_a_node_are_removed_by_the_others(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("fws_gevent.cluster.redis_broker.STOP_TIMEOUT", 0.1)
    with proxy_to(redis_server.port) as proxy:
        one = serve([Rooms], extra={"storage_object": RedisStorageObject(port=proxy.port)})
        client = connect(one)
        for number in range(120):
            join(client, f"g{number}")
        until(lambda: len(plain.keys("fws:{g*:members:*")) == 120)
        left = name(one)
        proxy.delay = 0.2
        one.stop(0.1)
        assert keys(plain, left)
        assert plain.sismember("fws:{*}:nodes", left)
        assert plain.get(f"fws:{{*}}:node:{left}") == b"-"
    monkeypatch.setattr(nodes, "HEARTBEAT", 0.05)
    two = serve([Rooms], extra={"storage_object": RedisStorageObject(port=redis_server.port)})
    until(lambda: not keys(plain, left))
    assert plain.smembers("fws:{*}:nodes") == {name(two).encode()}


def forget_all(plain: Any, servers: list[FilteredWebSocketServer]) -> None:
    """FLUSHALL; returns when all nodes have new names, and the old ones are nowhere."""
    before = [name(server) for server in servers]
    plain.flushall()
    until(lambda: not {name(server) for server in servers} & {*before})
    until(lambda: not any(keys(plain, old) for old in before))
    names = {name(server).encode() for server in servers}
    until(
        lambda: all(plain.smembers(key) == names for key in ("fws:{*}:nodes", "fws:{room}:nodes"))
    )


@pytest.mark.usefixtures("_quick")
def test_after_flushall_everybody_is_there_again_and_nothing_leaks(
    node: Node, connect: Connect, plain: Any
) -> None:
    servers = [node(), node()]
    clients = [connect(server) for server in servers for _ in range(2)]
    members = sorted(join(client) for client in clients)
    until(lambda: all(ids(server) == members for server in servers))
    for _ in range(2):
        forget_all(plain, servers)
        until(lambda: all(ids(server) == members for server in servers))
        servers[0].broadcast("next", group="room")
        for client in clients:
            assert [client.receive(), client.receive()] == ["lost", "next"]
    for server in servers:
        server.stop(0.1)
    until(lambda: keys(plain, "") == [])


@pytest.mark.usefixtures("_quick")
def test_junk_among_the_nodes_harms_nothing(node: Node, connect: Connect, plain: Any) -> None:
    one, two = node(), node()
    plain.sadd("fws:{*}:nodes", "junk", b"\xff", "list", "more")
    plain.set("fws:{*}:node:junk", "no JSON")
    plain.set("fws:{*}:node:list", "[]")
    plain.lpush("fws:{*}:node:more", "of another type")
    plain.sadd("fws:{*}:groups:" + DEAD_NODE, b"\xfe")
    add_dead_node(plain, ["room"])
    until(lambda: not keys(plain, DEAD_NODE))
    until(lambda: [len(others(server)) for server in (one, two)] == [1, 1])
    member = join(connect(one))
    until(lambda: ids(two) == [member])


def test_a_node_killed_outright_is_soon_nobodys_member(
    redis_server: RedisProcess, node: Node, connect: Connect, start: Start, plain: Any
) -> None:
    server = node()
    here = join(connect(server))
    other = start("-m", "fws_gevent", "-p", "0", "-token", "room",
                  "--redis_url", redis_server.url)  # fmt: skip
    connect(other.port())
    until(lambda: len(ids(server)) == 2)
    (dead,) = {each.node for each in server.members("room")} - {name(server)}
    other.signal(signal.SIGKILL)
    until(lambda: ids(server) == [here])
    until(lambda: not keys(plain, dead))
    assert plain.smembers("fws:{*}:nodes") == {name(server).encode()}
