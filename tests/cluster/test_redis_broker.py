"""Many nodes are one server: messages and closes of one reach the clients of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from fws_gevent import Publisher
from fws_gevent.cluster.publish_queue import PublishQueue
from fws_gevent.errors import PublishFailed
from fws_gevent.filters.base import (
    FilterBase,
    WebSocketConsumerFilter,
    WebSocketMessageFilter,
)
from fws_gevent.filters.notify_gap import NotifyGapFilter
from fws_gevent.protocol.frames import TEXT
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.settings import Settings
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import Client
from ..conftest import Connect, Serve, StartRedis
from ..node.guarded import enter, guarded
from ..node.guarded import of as connection_of
from ..redis_processes import RedisProcess
from ..waiting import until

Node = Callable[..., FilteredWebSocketServer]

STREAM, EVERYBODY = "fws:{room}:stream", "fws:{*}:stream"


class Orders(WebSocketMessageFilter):
    """`join NAME`, `say TEXT` to the others, `all TEXT`, `room TEXT`; the first is answered."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        order, _, text = data.text.partition(" ")
        if order == "join":
            web_socket_instance.join(text)
            web_socket_instance.send(web_socket_instance.id)
        else:
            group = "room" if order == "room" else None
            web_socket_instance.broadcast(text, group, include_self=order != "say")


class Spread(WebSocketConsumerFilter):
    """Sends what comes from outside to the clients, as `broadcast` finds them."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.broadcast(data["data"])


def variant(link: type[FilterBase], offload: bool = True) -> type[FilterBase]:
    """The same filter, offloaded or not."""
    meta: Any = type(link)
    made: type[FilterBase] = meta("Variant", (link,), {"offload": offload})
    return made


def at(port: int, key: str = "fws") -> dict[str, Any]:
    return {"storage_object": RedisStorageObject(port=port, key=key)}


@pytest.fixture
def node(redis_server: RedisProcess, serve: Serve) -> Node:
    """Starts a node with filters: node(Orders, port=...)."""

    def start(
        *filters: type[FilterBase], port: int = redis_server.port, key: str = "fws", **settings: Any
    ) -> FilteredWebSocketServer:
        return serve(filters or [Orders], extra=at(port, key), **settings)

    return start


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    """Another application's client."""
    client = redis_server.client()
    yield client
    client.close()


def join(client: Client, group: str = "room") -> str:
    client.send(f"join {group}")
    answer = client.receive()
    assert isinstance(answer, str)
    return answer


# Messages.


def test_all_members_see_one_order_with_many_senders(node: Node, connect: Connect) -> None:
    servers = [node(), node()]
    clients = [connect(server) for server in servers for _ in range(2)]
    for client in clients:
        join(client)

    def send(number: int) -> None:
        for turn in range(20):
            servers[number % 2].broadcast(f"{number}.{turn}", group="room")

    gevent.joinall([gevent.spawn(send, number) for number in range(6)], raise_error=True)
    orders = [[client.receive() for _ in range(120)] for client in clients]
    assert orders[0] == orders[1] == orders[2] == orders[3]
    assert len(set(orders[0])) == 120
    for number in range(6):
        mine = [text for text in orders[0] if str(text).startswith(f"{number}.")]
        assert mine == [f"{number}.{turn}" for turn in range(20)]
    servers[0].broadcast(b"\x00 the end \xff", group="room")
    assert [client.receive() for client in clients] == [b"\x00 the end \xff"] * 4


def test_messages_to_all_and_to_groups_reach_their_receivers_alone(
    node: Node, connect: Connect
) -> None:
    here, there, outside = (connect(node()) for _ in range(3))
    for client in (here, there):
        join(client)
    here.send("all for all")
    assert [each.receive() for each in (here, there, outside)] == ["for all"] * 3
    outside.send("room for the room")
    assert [each.receive() for each in (here, there)] == ["for the room"] * 2
    here.send("say to the others")
    assert [each.receive() for each in (there, outside)] == ["to the others"] * 2
    outside.send("all end")
    assert [each.receive() for each in (here, there, outside)] == ["end"] * 3


def test_the_excluded_connection_may_be_on_any_node(node: Node, connect: Connect) -> None:
    one, two = node(), node()
    clients = [connect(one), connect(one), connect(two)]
    names = [join(client) for client in clients]
    for group in (None, "room"):
        for left_out, member in enumerate(names):
            for server in (one, two):
                server.node.broker.publish(TEXT, b"not for one", group, member)
                server.broadcast("for all")
                for number, client in enumerate(clients):
                    if number != left_out:
                        assert client.receive() == "not for one"
                    assert client.receive() == "for all"


@pytest.mark.parametrize("order", ["all", "say"])
def test_an_offloaded_filter_sends_to_all_nodes(order: str, node: Node, connect: Connect) -> None:
    offloaded = variant(Orders, offload=True)
    one, two = node(offloaded), node(offloaded)
    sender, here, there = connect(one), connect(one), connect(two)
    for number in range(5):
        sender.send(f"{order} {number}")
    expected = [str(number) for number in range(5)]
    for client in (here, there) if order == "say" else (sender, here, there):
        assert [client.receive() for _ in range(5)] == expected
    two.broadcast("end")
    assert sender.receive() == "end"


def test_servers_with_prefixes_of_their_own_share_nothing(node: Node, connect: Connect) -> None:
    one, two = node(key="one"), node(key="two")
    clients = [connect(server) for server in (one, two)]
    for client in clients:
        join(client)
    for server, text in ((one, "one"), (two, "two")):
        server.broadcast(text, group="room")
        server.broadcast(text)
    assert [[client.receive(), client.receive()] for client in clients] == [
        ["one"] * 2,
        ["two"] * 2,
    ]


def test_a_server_that_is_not_started_publishes(
    redis_server: RedisProcess, node: Node, connect: Connect
) -> None:
    server = node()
    member, other = connect(server), connect(server)
    name = join(member)
    idle = FilteredWebSocketServer(Settings(port=0), filters=[], **at(redis_server.port))
    idle.broadcast("to the room", group="room")
    idle.broadcast("to all")
    assert [member.receive(), member.receive()] == ["to the room", "to all"]
    assert other.receive() == "to all"
    until(lambda: [each.id for each in idle.members("room")] == [name])
    idle.disconnect(id=name, code=4000, reason="from outside")
    assert member.frame().close == (4000, "from outside")
    assert idle.node.broker.others == []
    idle.storage_object.close()  # type: ignore[attr-defined]


def test_a_server_that_is_not_started_says_so_while_redis_is_away(start_redis: StartRedis) -> None:
    process = start_redis()
    settings = Settings(port=0, publish_timeout=0.2, redis_away="local")
    idle = FilteredWebSocketServer(settings, filters=[], **at(process.port))
    process.kill()
    with gevent.Timeout(20), pytest.raises(PublishFailed):
        idle.broadcast("lost")  # there are no clients here to fall back on
    idle.storage_object.close()  # type: ignore[attr-defined]


def test_the_settings_say_how_streams_are_kept(node: Node, connect: Connect, plain: Any) -> None:
    server = node(redis_history=50, redis_history_time=40, redis_history_size=100_000)
    join(connect(server))
    for number in range(400):
        server.broadcast(str(number), group="room")
    assert plain.xlen(STREAM) < 300  # it is trimmed roughly, a hundred at a time
    for _ in range(3):
        server.broadcast("x" * 60_000)
    assert plain.xlen(EVERYBODY) < 120
    for key in (STREAM, EVERYBODY):
        assert 0 < plain.ttl(key) <= 40
    (sent, *_) = plain.keys("fws:{room}:sent:*")
    assert 0 < plain.pttl(sent) <= 4000


def test_a_publish_has_as_long_as_the_settings_say(
    node: Node, start_redis: StartRedis, plain: Any
) -> None:
    process = start_redis()
    server = node(port=process.port, publish_timeout=0.1)
    process.freeze()
    with gevent.Timeout(20), pytest.raises(PublishFailed, match=r"0\.1 s"):
        server.broadcast("lost")
    process.thaw()


def test_a_message_that_waits_for_a_join_while_its_node_stops_is_published_all_the_same(
    node: Node, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker: Any = node().node.broker

    def refuse(*_: Any) -> None:
        raise PublishFailed("this queue stops")

    monkeypatch.setattr(PublishQueue, "publish", refuse)
    monkeypatch.setattr(broker._readers, "wait_for_joins", lambda *_: broker.stop())
    broker.publish(TEXT, b"last", "room", "")
    assert plain.xrange(STREAM)[-1][1][b"data"] == b"last"
    assert broker._shards._shards == {}


# Ends.


def test_connections_of_other_nodes_end_by_id_and_by_subject(
    redis_server: RedisProcess, serve: Serve, connect: Connect
) -> None:
    one, two = (guarded(serve, extra=at(redis_server.port)) for _ in range(2))
    ada_here, ada_there, ada_too, bob = (
        enter(server, connect, server.tokens.issue(subject))
        for server, subject in ((one, "ada"), (two, "ada"), (two, "ada"), (two, "bob"))
    )
    until(lambda: len(one.members("subject:ada")) == 3)
    name = connection_of(two, ada_there).id
    assert one.disconnect(id=name, code=4001, reason="by id") == 0
    assert ada_there.frame().close == (4001, "by id")
    ada_there.drop()
    until(lambda: len(one.members("subject:ada")) == 2)
    assert one.disconnect(subject="ada") == 2
    for client in (ada_here, ada_too):
        assert client.frame().close == (1000, "disconnected by the application")
    assert one.disconnect(subject="nobody") == 0
    two.broadcast("bob is there")
    assert bob.receive() == "bob is there"
    publisher = Publisher(redis_server.url)
    publisher.disconnect(subject="bob", code=4002, reason="from a script")
    publisher.close()
    assert bob.frame().close == (4002, "from a script")


def test_the_deadline_of_a_disconnect_begins_after_its_count(
    node: Node, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = node(publish_timeout=0.2)
    client = connect(server)
    name = join(client, "subject:ada")
    members = server.node.broker.members

    def count_slowly(group: str) -> Any:
        gevent.sleep(0.3)
        return members(group)

    monkeypatch.setattr(server.node.broker, "members", count_slowly)
    assert [each.id for each in server.members("subject:ada")] == [name]
    assert server.disconnect(subject="ada") == 1
    assert client.frame().close[0] == 1000


# The consumer chain.


def test_a_publish_of_another_application_runs_the_chain_once_on_each_node(
    node: Node, connect: Connect, plain: Any
) -> None:
    heard: list[list[Any]] = []

    def noting() -> type[WebSocketConsumerFilter]:
        mine: list[Any] = []
        heard.append(mine)

        class Note(WebSocketConsumerFilter):
            @classmethod
            def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
                mine.append(data)

        return Note

    channels = ("global", "news:*", "news:a*")
    servers = [node(noting(), Spread, redis_channels=channels) for _ in range(2)]
    clients = [connect(server) for server in servers for _ in range(2)]
    until(lambda: plain.pubsub_numsub("global")[0][1] == 2 and plain.pubsub_numpat() == 2)
    until(lambda: all(server.node.healthy for server in servers))
    for channel, data in (("global", "hello"), ("news:abc", "news"), ("other", "lost"),
                          ("global", b"\xff\x00"), ("global", "")):  # fmt: skip
        plain.publish(channel, data)
    for client in clients:
        assert [client.receive() for _ in range(4)] == ["hello", "news", b"\xff\x00", ""]
    for mine in heard:
        assert [(each["type"], each["channel"], each["data"]) for each in mine] == [
            ("message", "global", "hello"),
            ("pmessage", "news:abc", "news"),
            ("message", "global", b"\xff\x00"),
            ("message", "global", ""),
        ]
    # Each node told its own clients: nothing of it went through the stream.
    assert [fields[b"kind"] for _, fields in plain.xrange(EVERYBODY)] == [b"begin"]
    servers[0].broadcast("end")
    assert [client.receive() for client in clients] == ["end"] * 4


def test_an_offloaded_consumer_filter_tells_its_own_clients_too(
    node: Node, connect: Connect, plain: Any
) -> None:
    offloaded = variant(Spread, offload=True)
    servers = [node(offloaded), node(offloaded)]
    clients = [connect(server) for server in servers]
    until(lambda: plain.pubsub_numsub("global")[0][1] == 2)
    plain.publish("global", "hello")
    assert [client.receive() for client in clients] == ["hello"] * 2
    servers[0].broadcast("end")
    assert [client.receive() for client in clients] == ["end"] * 2


@pytest.mark.parametrize("offload", [False, True])
def test_an_event_of_one_nodes_own_consumer_queue_is_broadcast_to_all_nodes(
    offload: bool, node: Node, connect: Connect, plain: Any
) -> None:
    chosen = variant(Spread, offload=offload)
    one, two = node(chosen), node(chosen)
    clients = [connect(server) for server in (one, two)]
    until(lambda: plain.pubsub_numsub("global")[0][1] == 2)
    plain.publish("global", "from Redis")
    assert [client.receive() for client in clients] == ["from Redis"] * 2
    one.queue.put({"type": "message", "channel": "mine", "data": "from here"})
    assert [client.receive() for client in clients] == ["from here"] * 2
    two.broadcast("end")
    assert [client.receive() for client in clients] == ["end"] * 2


# Redis is away.


@pytest.mark.parametrize("group", [None, "room"])
def test_by_setting_a_broadcast_is_local_and_marked_while_redis_is_away(
    group: str | None, node: Node, connect: Connect, start_redis: StartRedis
) -> None:
    process = start_redis(persistent=True)
    given = {"port": process.port, "publish_timeout": 2.0, "redis_away": "local"}
    one, two = (node(Orders, NotifyGapFilter, **given) for _ in range(2))
    here, there = connect(one), connect(two)
    for client in (here, there):
        join(client)
    one.broadcast("before", group)
    assert here.receive() == there.receive() == "before"
    process.kill()
    for text in ("first", "second"):
        one.broadcast(text, group)
        mark = here.receive()
        assert json.loads(mark) == {"fws": "local", "group": group}
        assert here.receive() == text
    process.start()
    gap = here.receive()
    assert json.loads(gap) == {"fws": "gap", "group": group, "reason": "local"}
    until(lambda: two.node.healthy)
    two.broadcast("after", group)
    assert here.receive() == there.receive() == "after"  # nothing of it is replayed


def test_without_that_setting_it_fails_and_reaches_nobody(
    node: Node, connect: Connect, start_redis: StartRedis
) -> None:
    process = start_redis(persistent=True)
    one, two = (node(port=process.port, publish_timeout=2.0) for _ in range(2))
    clients = [connect(server) for server in (one, two)]
    process.kill()
    with pytest.raises(PublishFailed):
        one.broadcast("lost")
    until(lambda: not one.node.healthy)
    process.start()
    until(lambda: one.node.healthy and two.node.healthy)
    two.broadcast("after")
    assert [client.receive() for client in clients] == ["after"] * 2


def test_a_node_that_starts_while_redis_is_away_serves_and_is_one_of_them_later(
    node: Node, connect: Connect, start_redis: StartRedis
) -> None:
    process = start_redis()
    one = node(port=process.port)
    there = connect(one)
    process.kill()
    two = node(port=process.port, publish_timeout=2.0)
    here = connect(two)
    join(here)
    assert not two.node.healthy
    process.start()
    until(lambda: one.node.healthy and two.node.healthy)
    until(lambda: len(one.members("room")) == 1)
    one.broadcast("together")
    assert here.receive() == there.receive() == "together"


def test_a_connection_before_redis_answers_is_told_of_a_gap(
    node: Node, connect: Connect, start_redis: StartRedis
) -> None:
    process = start_redis()
    process.kill()
    two = node(Orders, NotifyGapFilter, port=process.port, publish_timeout=2.0)
    here = connect(two)
    process.start()
    until(lambda: two.node.healthy)
    assert json.loads(here.receive()) == {"fws": "gap", "group": None, "reason": "late"}
    two.broadcast("together")
    assert here.receive() == "together"


def test_a_node_ends_while_redis_is_away(node: Node, start_redis: StartRedis) -> None:
    process = start_redis()
    servers = [node(port=process.port) for _ in range(2)]
    process.kill()
    for server in servers:
        with gevent.Timeout(10):
            server.stop(0.1)
        assert not server.started


@pytest.mark.parametrize("epoch", ["a\nb", "a b", " "])
def test_a_message_that_the_channel_can_not_carry_comes_from_the_stream(
    epoch: str, node: Node, connect: Connect, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fws_gevent.cluster.stream_reader.FOREIGN", 0.05)
    client = connect(node())
    join(client, "room")
    plain.xadd(STREAM, {"epoch": epoch})  # which goes on with what follows
    client.send("room soup")
    assert client.receive() == "soup"


def test_a_node_that_is_started_again_has_another_name_and_all_its_tasks(
    redis_server: RedisProcess, serve: Serve, connect: Connect
) -> None:
    storage = RedisStorageObject(port=redis_server.port)
    storage.redis_servers.sharded = True  # a Redis without a cluster has these commands too
    server = serve([Orders], extra={"storage_object": storage})
    cluster: Any = server.node.broker
    before = cluster.node_name
    server.stop(0.1)
    server.start()
    assert cluster.node_name != before
    assert [each.name for each in cluster.loops if each.ended] == []
    assert "moved channels" in {each.name for each in cluster.loops}
    client = connect(server)
    join(client, "room")
    client.send("room again")
    assert client.receive() == "again"
    assert server.node.healthy


def test_revocations_that_redis_refuses_are_reported_once_and_learnt_later(
    node: Node, plain: Any, caplog: pytest.LogCaptureFixture
) -> None:
    plain.set("fws:{*}:revoked", "junk")
    store: Any = node().tokens.store
    line = "can't learn what is revoked: WRONGTYPE"
    until(lambda: line in caplog.text)
    gevent.sleep(0.2)
    assert not store.following
    plain.delete("fws:{*}:revoked")
    until(lambda: store.following)
    assert caplog.text.count(line) == 1
