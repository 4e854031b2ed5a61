"""Members of groups are the same on all nodes, told once, and removed at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from fws_gevent import signals
from fws_gevent.cluster import member_keys, presence
from fws_gevent.cluster.redis_broker import RedisBroker
from fws_gevent.errors import StorageAway
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.signals import Member
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import Client
from ..conftest import Connect, Serve, StartRedis
from ..redis_processes import RedisProcess
from ..waiting import until

Node = Callable[..., FilteredWebSocketServer]
ServerName = tuple[str, str]
Heard = list[tuple[str, Member]]


class Rooms(WebSocketMessageFilter):
    """`join NAME` or `leave NAME`; the answer is the connection's id."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        order, _, name = data.text.partition(" ")
        getattr(web_socket_instance, order)(name)
        web_socket_instance.send(web_socket_instance.id)


@pytest.fixture
def node(redis_server: RedisProcess, serve: Serve) -> Node:
    """Starts a node: node(), or node(port=...) at a Redis of its own."""

    def start(port: int = redis_server.port, **settings: Any) -> FilteredWebSocketServer:
        return serve([Rooms], extra={"storage_object": RedisStorageObject(port=port)}, **settings)

    return start


@pytest.fixture
def hear() -> Iterator[Callable[[FilteredWebSocketServer], Heard]]:
    """Notes the joins and leaves that a node's buses tell of."""
    receivers: list[tuple[signals.Bus, Any, Any]] = []

    def listen(server: FilteredWebSocketServer) -> Heard:
        heard: Heard = []
        for bus in (signals.member_joined, signals.member_left):

            def note(sender: Any, web_socket_instance: Any, data: Any, bus: Any = bus) -> None:
                assert sender is web_socket_instance
                heard.append((bus.name, data))

            bus.connect(note, sender=server, weak=False)
            receivers.append((bus, note, server))
        return heard

    yield listen
    for bus, receiver, server in receivers:
        bus.disconnect(receiver, server)


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    """Another application's client."""
    client = redis_server.client()
    yield client
    client.close()


def ask(client: Client, order: str) -> str:
    client.send(order)
    answer = client.receive()
    assert isinstance(answer, str)
    return answer


def ids(server: FilteredWebSocketServer, group: str = "room") -> set[ServerName]:
    """The members with their nodes, of whom nobody may be there twice; none if it can't tell."""
    try:
        found = [(each.id, each.node) for each in server.members(group)]
    except StorageAway:
        return set()
    assert len(set(found)) == len(found)
    return set(found)


def name(server: FilteredWebSocketServer) -> str:
    return server.node.broker.node_name


def event(bus: str, server: FilteredWebSocketServer, member: str, group: str = "room") -> Any:
    return bus, Member(group, member, None, name(server))


def test_all_nodes_name_the_members_of_all_nodes(node: Node, connect: Connect) -> None:
    one, two = servers = node(), node()
    clients = [connect(server) for server in (one, one, two)]
    a, b, c = (ask(client, "join room") for client in clients)
    together = {(a, name(one)), (b, name(one)), (c, name(two))}
    until(lambda: all(ids(server) == together for server in servers))
    assert one.members("room")[0] == Member("room", a, None, name(one))
    ask(clients[0], "leave room")
    clients[2].drop()
    until(lambda: all(ids(server) == {(b, name(one))} for server in servers))
    assert one.members("other") == []


def test_a_node_without_members_is_told_of_the_others(node: Node, connect: Connect) -> None:
    one, two = node(), node()
    member = ask(connect(one), "join room")
    until(lambda: ids(two) == {(member, name(one))})


@pytest.mark.parametrize("group", ["a", "*", "%2A", "a{b}c", "{", "grüße 🎉", "a b:c", "x" * 255])
def test_any_name_of_a_group_will_do(group: str, node: Node, connect: Connect, plain: Any) -> None:
    one, two = node(), node()
    client = connect(one)
    member = ask(client, f"join {group}")
    until(lambda: ids(two, group) == {(member, name(one))})
    assert two.members("another") == []
    one.stop(0.1)
    until(lambda: two.members(group) == [])
    two.stop(0.1)
    until(lambda: not leftovers(plain))


def test_joins_and_leaves_are_told_once_on_each_node_that_has_members(
    node: Node, connect: Connect, hear: Any
) -> None:
    one, two, apart = servers = node(), node(), node()
    heard = [hear(server) for server in servers]
    here, there = connect(one), connect(two)
    a = ask(here, "join room")
    until(lambda: two.members("room"))
    b = ask(there, "join room")
    until(lambda: event("member_joined", two, b) in heard[0])
    guest = connect(one)
    c = ask(guest, "join room")
    until(lambda: event("member_joined", one, c) in heard[1])
    ask(guest, "leave room")
    ask(guest, "join room")
    guest.drop()
    until(lambda: heard[1].count(event("member_left", one, c)) == 2)
    ask(there, "leave room")
    until(lambda: event("member_left", two, b) in heard[0])
    churn = [event(f"member_{what}", one, c) for what in ("joined", "left", "joined", "left")]
    assert heard[0] == [
        event("member_joined", one, a), event("member_joined", two, b), *churn,
        event("member_left", two, b),
    ]  # fmt: skip
    # A later node is not told of present members: it asks for them.
    assert heard[1] == [event("member_joined", two, b), *churn, event("member_left", two, b)]
    assert heard[2] == []
    assert apart.members("room") == one.members("room")


def test_a_subscriber_may_wait_and_holds_up_no_other_group(
    node: Node, connect: Connect, hear: Any
) -> None:
    one, two = node(), node()
    gate, told = gevent.event.Event(), []

    def slow(server: Any, web_socket_instance: Any, data: Any) -> None:
        gate.wait()
        told.append(data.id)

    here, there = connect(one), connect(two)
    for client in (here, there):
        ask(client, "join quick")
        ask(client, "join room")
    until(lambda: len(ids(one)) == 2)
    one.broadcast("all so far is told", group="room")
    assert here.receive() == there.receive() == "all so far is told"
    signals.member_joined.connect(slow, sender=one, weak=False)
    try:
        guest = ask(connect(two), "join room")
        one.broadcast("soon", group="quick")
        assert there.receive() == here.receive() == "soon"
        assert told == []
        gate.set()
        until(lambda: told == [guest])
    finally:
        gate.set()
        signals.member_joined.disconnect(slow, sender=one)


def test_many_changes_leave_nothing_behind(node: Node, connect: Connect, plain: Any) -> None:
    one, two = node(), node()
    clients = [connect(server) for server in (one, two) for _ in range(5)]
    for number in range(10):
        for client in clients:
            client.send(f"join room{number}")
            client.send(f"leave room{number - 1}")
    for client in clients:
        for _ in range(20):
            client.receive()
    members = [f"fws:{{room9}}:members:{name(each)}".encode() for each in (one, two)]
    until(lambda: sorted(plain.keys("*:members:*")) == sorted(members))
    assert [plain.hlen(key) for key in members] == [5, 5]
    groups = [f"fws:{{*}}:groups:{name(each)}" for each in (one, two)]
    until(lambda: [plain.smembers(key) for key in groups] == [{b"room9"}] * 2)
    for client in clients:
        client.drop()
    until(lambda: not plain.keys("*:members:*") and not plain.keys("fws:{*}:groups:*"))
    until(lambda: set(plain.keys("*:nodes")) == {b"fws:{*}:nodes"})


def leftovers(plain: Any) -> list[bytes]:
    """The keys that are there, but for streams."""
    return [key for key in plain.scan_iter() if not key.endswith(b":stream")]


def test_a_clean_end_leaves_nothing_but_streams_and_is_told(
    node: Node, connect: Connect, hear: Any, plain: Any
) -> None:
    one, two = node(), node()
    heard = hear(two)
    here, there = connect(one), connect(two)
    b = ask(there, "join room")
    a = ask(here, "join room")
    until(lambda: event("member_joined", one, a) in heard)
    left = event("member_left", one, a)
    one.stop(0.5)
    until(lambda: left in heard)
    assert two.members("room") == [Member("room", b, None, name(two))]
    until(lambda: plain.smembers("fws:{*}:nodes") == {name(two).encode()})
    two.stop(0.5)
    until(lambda: not leftovers(plain))
    for key in plain.scan_iter():
        assert plain.ttl(key) > 0


def test_joins_and_leaves_during_an_outage_are_told_afterwards(
    node: Node, connect: Connect, start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch,
    hear: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(presence, "MAX_CHANGES", 3)
    process = start_redis(persistent=True)
    one, two = node(process.port), node(process.port)
    heard = hear(two)
    clients = [connect(one) for _ in range(6)]
    goes, *_ = old = [ask(client, "join room") for client in clients[:3]]
    stays = ask(connect(two), "join room")
    until(lambda: len(two.members("room")) == 4)
    process.kill()
    until(lambda: not (one.node.healthy or two.node.healthy))
    ask(clients[0], "leave room")
    new = [ask(client, "join room") for client in clients[3:]]
    for _ in range(3):  # more than may wait
        ask(clients[5], "leave room")
        ask(clients[5], "join room")
    with pytest.raises(StorageAway):
        one.members("room")
    process.start()
    there = {(member, name(one)) for member in (*old[1:], *new)} | {(stays, name(two))}
    until(lambda: all(server.node.healthy and ids(server) == there for server in (one, two)))
    until(lambda: event("member_left", one, goes) in heard)
    until(lambda: all(event("member_joined", one, member) in heard for member in new))
    assert len({(bus, data.id) for bus, data in heard}) == len(heard)


def test_scripts_that_redis_has_forgotten_are_sent_again(
    node: Node, connect: Connect, plain: Any
) -> None:
    one, two = node(), node()
    client = connect(one)
    member = ask(client, "join room")
    until(lambda: ids(two) == {(member, name(one))})
    plain.script_flush()
    ask(client, "leave room")
    until(lambda: ids(two) == set())
    plain.script_flush()
    ask(client, "join room")
    until(lambda: ids(two) == {(member, name(one))})


@pytest.mark.parametrize("fault", ["of another type", "unforeseen"])
def test_a_group_that_can_not_be_told_holds_up_no_other_one(
    fault: str, node: Node, connect: Connect, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LONGEST", 0.2)
    monkeypatch.setattr("fws_gevent.loop.supervision.PAUSE", 0.01)
    one, two = node(), node()
    wrong = f"fws:{{bad}}:members:{name(one)}"
    encode = member_keys.encode

    def fail(text: str | bytes) -> bytes:
        if text == "bad":
            raise RecursionError("a fault of ours")
        return encode(text)

    if fault == "unforeseen":
        monkeypatch.setattr(member_keys, "encode", fail)
    else:
        plain.set(wrong, "of another type")
    client = connect(one)
    groups = [f"g{number}" for number in range(120)]
    for group in ["bad", *groups]:
        member = ask(client, f"join {group}")
    until(lambda: all(ids(two, group) == {(member, name(one))} for group in groups))
    assert [each.failing for each in one.node.broker.loops].count(True) <= 1
    monkeypatch.setattr(member_keys, "encode", encode)
    plain.delete(wrong)
    until(lambda: plain.type(wrong) == b"hash")
    until(lambda: ids(two, "bad") == {(member, name(one))})


def test_a_group_of_any_size_is_compared_and_told_in_portions(
    node: Node, connect: Connect, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_keys, "CHANGES", 3)
    one, two = node(), node()
    clients = [connect(one) for _ in range(10)]
    here = {(ask(client, "join room"), name(one)) for client in clients}
    until(lambda: ids(two) == here)
    key = f"fws:{{room}}:members:{name(one)}"
    kept, *_ = lost = sorted(member for member, _ in here)
    plain.hdel(key, *lost[1:])
    plain.hset(key, "somebody else", "")
    assert isinstance(one.node.broker, RedisBroker)
    one.node.broker._presence.compare(["room"])
    until(lambda: set(plain.hkeys(key)) == {each.encode() for each in lost})
    assert ids(two) == here
    assert plain.hexists(key, kept)


def test_a_name_that_a_node_had_leaves_no_list_of_groups(
    node: Node, connect: Connect, plain: Any
) -> None:
    one = node()
    ask(connect(one), "join room")
    until(lambda: plain.smembers(f"fws:{{*}}:groups:{name(one)}") == {b"room"})
    before, cluster = name(one), one.node.broker
    assert isinstance(cluster, RedisBroker)
    plain.delete("fws:{*}:nodes", f"fws:{{*}}:node:{before}")
    cluster._nodes.beat_now()
    until(lambda: name(one) != before)
    cluster._upkeep._renew(before, ["room"])  # which began while that was its name
    until(lambda: not [key for key in plain.scan_iter() if before.encode() in key])


def test_a_list_of_groups_that_redis_refuses_is_reported_once_and_mended(
    node: Node, connect: Connect, plain: Any, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(presence, "FIRST", 0.01)
    server = node()
    assert isinstance(server.node.broker, RedisBroker)
    until(lambda: plain.smembers("fws:{*}:nodes"))
    groups = f"fws:{{*}}:groups:{server.node.broker.node_name}"
    plain.set(groups, "junk")
    client = connect(server)
    client.send("join room")
    client.receive()
    line = "can't tell who is in any group: "
    until(lambda: line in caplog.text)
    assert "WRONGTYPE" in caplog.text
    plain.delete(groups)
    until(lambda: plain.smembers(groups) == {b"room"})
    assert caplog.text.count(line) == 1
