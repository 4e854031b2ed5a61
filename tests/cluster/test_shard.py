"""Streams of one server: what is pushed, missed and read on, through the faults of Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import gevent
import pytest

from fws_gevent.cluster import shard as shard_module
from fws_gevent.cluster import subscription as subscription_module
from fws_gevent.cluster.effects import Effect, Effects, When
from fws_gevent.cluster.shard import Shard, Shards
from fws_gevent.cluster.stream_reader import StreamReader
from fws_gevent.loop.inbox import Inbox
from fws_gevent.loop.reactor import Reactor
from fws_gevent.publisher import Publisher
from fws_gevent.redis_io.entries import Entry
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.publishing import StreamTerms
from fws_gevent.redis_io.servers import OneServer
from tests.conftest import StartRedis
from tests.redis_processes import RedisProcess
from tests.waiting import until

KEYS = Keys("fws")


class Node:
    """The streams that a node follows. `got` has the received messages by group."""

    def __init__(self, port: int, reactor: Reactor) -> None:
        self.servers = OneServer(
            "here", {"host": "127.0.0.1", "port": port, "socket_timeout": 0.05}
        )  # fmt: skip
        self.shards = Shards(self.servers, KEYS, StreamTerms())
        self.publisher = Publisher(self.servers, timeout=10)
        self.got: dict[str | None, list[Any]] = {}
        self._reactor = reactor

    def follow(self, group: str | None = "kitchen") -> StreamReader:
        def of(group: str | None, entry: Entry) -> Effect | None:
            if entry.kind == b"begin":
                return None
            return Effect(self.note, (group, entry.data), When.IN_TURN, len(entry.data))

        effects = cast("Effects", type("Made", (), {"of": staticmethod(of)}))
        reader = StreamReader(
            group, KEYS.stream(group), effects, self.note, self.shards.catch_up,
            lambda: Inbox(self._reactor),
        )  # fmt: skip
        self.shards.readers[reader.channel] = reader
        self.shards.follow(reader)
        return reader

    def note(self, group: str | None, what: Any) -> None:
        self.got.setdefault(group, []).append(what)

    def publish(self, *numbers: int, group: str | None = "kitchen") -> None:
        for number in numbers:
            self.publisher.publish(str(number), group)

    @property
    def subscription(self) -> Any:
        return self.shards.of(b"").subscription

    def close(self) -> None:
        parts = list(self.shards._shards.values())
        self.shards.stop(5)
        assert all(each.publish_queue.loop.ended for each in parts)
        assert all(each.catch_up.loop.ended for each in parts)
        self.servers.close()


MakeNode = Callable[[int], Node]


@pytest.fixture
def make_node(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeNode]:
    """Makes a node at the Redis of a port."""
    monkeypatch.setattr(subscription_module, "PING_INTERVAL", 0.1)
    monkeypatch.setattr(subscription_module, "PING_TIMEOUT", 0.2)
    reactor = Reactor(max_runners=2)
    reactor.start()
    nodes: list[Node] = []

    def make(port: int) -> Node:
        nodes.append(Node(port, reactor))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()
    reactor.stop()


@pytest.fixture
def node(redis_server: RedisProcess, make_node: MakeNode) -> Node:
    return make_node(redis_server.port)


def data(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


def cut(redis_server: RedisProcess) -> None:
    """Cut all off that listen."""
    with redis_server.client() as client:
        for each in client.client_list(_type="pubsub"):
            client.client_kill_filter(_id=str(each["id"]))


@pytest.mark.parametrize("group", ["kitchen", None])
def test_a_reader_gets_all_messages_once_it_is_ready(node: Node, group: str | None) -> None:
    reader = node.follow(group)
    until(reader.ready.is_set)
    assert node.shards.up
    node.publish(*range(100), group=group)
    until(lambda: len(node.got.get(group, [])) == 100)
    assert node.got == {group: data(*range(100))}


def test_messages_of_its_own_publish_queue_arrive_over_the_stream(node: Node) -> None:
    reader = node.follow()
    until(reader.ready.is_set)
    publication = node.publisher.publication("kitchen", b"text", b"mine")
    found = node.shards.of(reader.channel).publish_queue.publish(publication)
    until(lambda: node.got)
    assert node.got == {"kitchen": [b"mine"]}
    assert reader.position is not None
    assert found == f"{reader.position.id[0]}-{reader.position.id[1]}"


def test_a_push_that_was_missed_is_read_before_the_next(
    redis_server: RedisProcess, node: Node
) -> None:
    reader = node.follow()
    until(reader.ready.is_set)
    pushed, dropped = reader.on_push, []
    shard = node.shards.of(reader.channel)

    def lossy(_kind: bytes, message: list[bytes]) -> int:
        if message[2].endswith((b"\n1", b"\n2", b"\n5")):
            dropped.append(message)
            return 1
        return pushed(message[2])

    shard.on_message = lossy  # type: ignore[method-assign]
    node.publish(*range(10))
    until(lambda: len(node.got.get("kitchen", [])) == 10)
    assert len(dropped) == 3
    assert node.got == {"kitchen": data(*range(10))}


def test_after_a_reconnect_all_feeds_go_on_without_loss(
    redis_server: RedisProcess, node: Node
) -> None:
    groups = [f"g{number}" for number in range(300)]
    readers = [node.follow(group) for group in groups]
    until(lambda: all(reader.live for reader in readers))
    for round_ in range(2):
        cut(redis_server)
        for group in groups:
            node.publish(2 * round_, 2 * round_ + 1, group=group)
    until(lambda: all(len(node.got.get(group, [])) == 4 for group in groups))
    until(lambda: all(reader.live for reader in readers))
    assert node.got == {group: data(0, 1, 2, 3) for group in groups}
    assert node.shards.losses == 2
    assert node.shards.up


def test_messages_arrive_once_and_in_order_through_cut_connections(
    redis_server: RedisProcess, node: Node
) -> None:
    reader = node.follow()
    until(reader.ready.is_set)

    def talk() -> None:
        for number in range(400):
            node.publish(number)
            gevent.sleep(0.001)

    talker = gevent.spawn(talk)
    losses = 0
    while not talker.ready():
        until(lambda: node.subscription.up)
        cut(redis_server)
        until(lambda before=losses: node.shards.losses > before)  # type: ignore[misc]
        losses = node.shards.losses
        until(lambda: reader.live or talker.ready())
    talker.get()
    until(lambda: len(node.got["kitchen"]) >= 400)
    assert losses > 1
    assert node.got == {"kitchen": data(*range(400))}


def test_while_redis_is_frozen_it_is_not_up_and_goes_on_after_it(
    start_redis: StartRedis, make_node: MakeNode
) -> None:
    redis_server = start_redis()
    node = make_node(redis_server.port)
    reader = node.follow()
    until(reader.ready.is_set)
    redis_server.freeze()
    try:
        until(lambda: not node.shards.up)
        assert not reader.live
    finally:
        redis_server.thaw()
    node.publish(1)
    until(lambda: node.got)
    assert node.got == {"kitchen": data(1)}
    assert node.shards.up


@pytest.mark.parametrize("persistent", [True, False])
def test_a_restart_is_a_gap_only_if_redis_comes_back_empty(
    start_redis: StartRedis, make_node: MakeNode, persistent: bool
) -> None:
    redis_server = start_redis(persistent=persistent)
    node = make_node(redis_server.port)
    reader = node.follow()
    until(reader.ready.is_set)
    node.publish(1)
    until(lambda: node.got)
    redis_server.kill()
    until(lambda: not node.shards.up)
    redis_server.start()
    node.publish(2)
    until(lambda: len(node.got["kitchen"]) == (2 if persistent else 3))
    assert node.got["kitchen"] == (data(1, 2) if persistent else [b"1", "lost", b"2"])


def test_flushall_is_a_gap_told_before_the_next_message(
    redis_server: RedisProcess, node: Node
) -> None:
    reader = node.follow()
    until(reader.ready.is_set)
    node.publish(1)
    until(lambda: node.got)
    with redis_server.client() as client:
        client.flushall()
    node.publish(2)
    until(lambda: len(node.got["kitchen"]) == 3)
    assert node.got["kitchen"] == [b"1", "lost", b"2"]


def test_a_poison_message_on_the_channel_harms_nothing(
    redis_server: RedisProcess, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    reader = node.follow()
    until(reader.ready.is_set)
    with redis_server.client() as client:
        for poison in (b"", b"\xff\x00", b"1-1 0-0 e n text \nfake", b"x" * 100_000):
            client.publish(reader.channel.decode(), poison)
    node.publish(1)
    until(lambda: node.got)
    assert node.got == {"kitchen": data(1)}
    assert node.shards.losses == 0


def test_a_group_that_is_left_is_listened_to_no_more(
    redis_server: RedisProcess, node: Node
) -> None:
    left, kept = node.follow("left"), node.follow("kept")
    until(lambda: left.live and kept.live)
    node.shards.leave(left)
    assert left.closed
    with redis_server.client() as client:
        channel = left.channel.decode()
        until(lambda: client.pubsub_numsub(channel) == [(left.channel, 0)])
    node.publish(1, group="left")
    node.publish(2, group="kept")
    until(lambda: node.got)
    cut(redis_server)
    until(lambda: node.shards.losses)
    until(lambda: kept.live)
    assert node.got == {"kept": data(2)}
    assert node.shards.readers == {kept.channel: kept}


def test_a_group_that_is_left_and_joined_in_haste_is_followed_anew(node: Node) -> None:
    reader = node.follow()
    until(reader.ready.is_set)
    node.publish(1)
    until(lambda: node.got)
    for _ in range(5):
        node.shards.leave(reader)
        reader = node.follow()
    until(reader.ready.is_set)
    node.publish(2)
    until(lambda: len(node.got["kitchen"]) == 2)
    assert node.got == {"kitchen": data(1, 2)}
    assert node.shards.losses == 0


def test_a_reader_of_a_left_group_gets_no_late_entry(node: Node) -> None:
    reader = node.follow()
    until(reader.ready.is_set)
    shard = node.shards.of(reader.channel)
    node.shards.leave(reader)
    assert shard.on_message(b"message", [b"message", reader.channel, b"late"]) == 1
    shard.on_listening(reader.channel)
    assert not reader.queued


def test_a_shard_without_channels_is_up(node: Node) -> None:
    assert node.shards.up
    assert node.shards.of(b"any").up
    assert node.shards.losses == 0


def test_a_redis_that_is_away_at_the_start_is_followed_when_it_comes(
    start_redis: StartRedis, make_node: MakeNode
) -> None:
    redis_server = start_redis()
    redis_server.kill()
    node = make_node(redis_server.port)
    reader = node.follow()
    gevent.sleep(0.01)
    assert not node.shards.up
    assert not reader.ready.is_set()
    redis_server.start()
    until(reader.ready.is_set)
    node.publish(1)
    until(lambda: node.got)
    assert node.got == {"kitchen": data(1)}


# Events during a wait for Redis.


def test_a_group_that_is_left_while_its_server_is_looked_for_is_not_listened_to(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = node.shards.of

    def of_a_group_that_is_left(key: bytes) -> Any:
        reader = node.shards.readers.get(key)
        if reader is not None:
            node.shards.leave(reader)
        return of(key)

    monkeypatch.setattr(node.shards, "of", of_a_group_that_is_left)
    reader = node.follow()
    assert reader.closed
    assert reader.channel not in node.subscription.wanted
    monkeypatch.undo()
    again = node.follow()
    until(again.ready.is_set)
    node.publish(1)
    until(lambda: node.got == {"kitchen": data(1)})


def test_a_group_that_is_joined_while_it_is_left_stays_listened_to(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = node.follow()
    monkeypatch.setattr(node.servers, "server_of", lambda key: "elsewhere")
    second = node.follow("other")
    until(lambda: first.ready.is_set() and second.ready.is_set())
    subscriptions = [each.subscription for each in node.shards._shards.values()]
    assert len(subscriptions) == 2
    unsubscribe, followed = subscriptions[0].unsubscribe, list[StreamReader]()

    def follow_meanwhile(channel: bytes) -> None:
        unsubscribe(channel)
        followed.append(node.follow())

    monkeypatch.setattr(subscriptions[0], "unsubscribe", follow_meanwhile)
    node.shards.leave(first)
    until(lambda: followed and followed[0].ready.is_set())
    assert followed[0].channel in subscriptions[1].wanted
    node.publish(1)
    until(lambda: node.got == {"kitchen": data(1)})


def test_a_group_that_is_left_twice_is_left(node: Node) -> None:
    reader = node.follow()
    until(reader.ready.is_set)
    node.shards.leave(reader)
    again = node.follow()
    node.shards.leave(reader)
    assert node.shards.readers == {again.channel: again}


def test_a_stop_while_the_server_of_a_stream_is_looked_for_leaves_no_task_running(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Shard] = []
    server_of = node.servers.server_of

    class Noted(Shard):
        def __init__(self, shards: Shards, server: str) -> None:
            made.append(self)
            super().__init__(shards, server)

    def stop_meanwhile(key: bytes) -> str:
        node.shards.stop(5)
        return server_of(key)

    monkeypatch.setattr(shard_module, "Shard", Noted)
    monkeypatch.setattr(node.servers, "server_of", stop_meanwhile)
    node.follow()
    until(lambda: made and all(loop.ended for each in made for loop in each.loops))
    assert node.shards.loops == [node.shards.moved_channels.loop]


def test_a_shard_that_has_stopped_listens_to_nothing_that_is_followed_late(node: Node) -> None:
    shard = node.shards.of(b"")
    reader = node.follow()
    node.shards.stop(5)
    late = Shard(node.shards, "")
    late.stop(5)
    for each in (shard, late):
        each.follow(reader)
        until(lambda each=each: all(loop.ended for loop in each.loops))  # type: ignore[misc]
        assert not each.subscription.up
