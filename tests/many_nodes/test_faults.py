"""Redis killed, frozen and emptied, a node frozen: nothing is lost without a notice."""

from __future__ import annotations

import json
import signal
import sys
from itertools import count
from typing import Any

import gevent

from fws_gevent import Publisher, PublishFailed
from fws_gevent.cluster.redis_broker import RedisBroker
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.filters.notify_gap import NotifyGapFilter
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import ROOT, Client
from ..conftest import Connect, Serve, Start, StartRedis
from ..redis_processes import RedisProcess
from ..waiting import until

sys.path.append(str(ROOT / "benchmarks"))

from soak.books import Books, Connection, Gap, Message

GROUP = "room"
STREAM = "fws:{room}:stream"
PUBLISHERS, RATE = 5, 100


class Site:
    """Two nodes with two members of the group each, publishers, and the books of it all."""

    def __init__(self, redis: RedisProcess, serve: Serve, connect: Connect) -> None:
        class Join(WebSocketMessageFilter):
            @classmethod
            def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
                web_socket_instance.join(data.text)
                web_socket_instance.send("joined")

        self.redis = redis
        self.books = Books()
        self.failed = 0
        self._moment = count(1).__next__
        self._numbers = count(1)
        self._over = False
        self.nodes: list[FilteredWebSocketServer] = [
            serve(
                [Join, NotifyGapFilter],
                extra={"storage_object": RedisStorageObject(port=redis.port)},
            )
            for _ in range(2)
        ]
        self.members = [connect(node) for node in self.nodes for _ in range(2)]
        for number, member in enumerate(self.members):
            member.send(GROUP)
            assert member.receive() == "joined"
            account = Connection(f"c{number}", {GROUP: self._moment()}, stayed=True)
            self.books.connections.append(account)

    @property
    def taken(self) -> int:
        """Messages that were acknowledged."""
        return sum(each.acknowledged is not None for each in self.books.messages.values())

    def publish(self, node: int = 0) -> str | None:
        """Publish one message; None if it failed."""
        name = str(next(self._numbers))
        message = self.books.messages[name] = Message(GROUP, self._moment())
        try:
            self.nodes[node].broadcast(name, GROUP)
        except PublishFailed:
            self.failed += 1
            return None
        message.acknowledged = self._moment()
        return name

    def busy(self) -> list[Any]:
        """Publishers on both nodes that go on until `settle`."""
        return [gevent.spawn(self._go_on, number % 2) for number in range(PUBLISHERS)]

    def _go_on(self, node: int) -> None:
        while not self._over:
            self.publish(node)
            gevent.sleep(PUBLISHERS / RATE)

    def settle(self, busy: list[Any]) -> None:
        """Publish what comes last, and read what came until then."""
        self._over = True
        gevent.joinall(busy, raise_error=True)
        self.read_to_last()

    def read_to_last(self) -> None:
        """Publish one more, and have all members read up to it."""
        last: list[str | None] = [None]

        def taken() -> str | None:
            last[0] = self.publish()
            return last[0]

        until(taken)
        for member, account in zip(self.members, self.books.connections, strict=True):
            while account.received[-1:] != last:
                account.received.append(received(member))

    def gaps(self) -> list[list[str]]:
        """The reasons that each member was told for the group."""
        return [[each.reason for each in account.received
                 if isinstance(each, Gap) and each.stream == GROUP]
                for account in self.books.connections]  # fmt: skip


def received(member: Client) -> str | Gap:
    """The next message, or the notice that some are missing."""
    text = str(member.receive())
    if not text.startswith("{"):
        return text
    notice = json.loads(text)
    assert notice["fws"] == "gap"
    return Gap(notice["group"] or "*", notice["reason"])


def right(site: Site, durable: bool) -> bool:
    """Return whether the books have no complaint; print those that they have."""
    assert list(site.books.balance(durable).lines()) == []
    return True


def test_a_redis_that_keeps_all_is_killed_and_nothing_is_lost(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    site = Site(start_redis(persistent=True), serve, connect)
    busy = site.busy()
    until(lambda: site.taken >= 50)
    site.redis.kill()
    gevent.sleep(1)
    site.redis.start()
    before = site.taken
    until(lambda: site.taken >= before + 50)
    site.settle(busy)
    assert right(site, durable=True)
    assert site.gaps() == [[]] * 4


def test_a_redis_that_forgets_all_is_killed_and_everybody_is_told_before_the_next_message(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    site = Site(start_redis(), serve, connect)
    busy = site.busy()
    until(lambda: site.taken >= 50)
    site.redis.kill()
    gevent.sleep(1)
    first_after = next(site._numbers)
    site.redis.start()
    before = site.taken
    until(lambda: site.taken >= before + 50)
    site.settle(busy)
    assert right(site, durable=False)
    assert site.gaps() == [["lost"]] * 4
    for account in site.books.connections:
        told = account.received.index(Gap(GROUP, "lost"))
        early = [each for each in account.received[:told] if isinstance(each, str)]
        assert early
        # Messages since the restart come after the notice.
        assert all(int(each) < first_after for each in early)


def test_a_frozen_redis_fails_publishers_in_time_and_loses_nothing(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    site = Site(start_redis(persistent=True), serve, connect)
    busy = site.busy()
    until(lambda: site.taken >= 50)
    site.redis.freeze()
    thaw = gevent.spawn_later(3, site.redis.thaw)
    until(lambda: site.failed >= PUBLISHERS)
    assert not thaw.ready()  # they were told while Redis was still frozen
    thaw.join()
    before = site.taken
    until(lambda: site.taken >= before + 50)
    site.settle(busy)
    assert right(site, durable=True)
    assert site.gaps() == [[]] * 4


def test_a_message_tried_again_after_a_short_freeze_comes_once(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    site = Site(start_redis(), serve, connect)
    busy = site.busy()
    until(lambda: site.taken >= 50)
    site.redis.freeze()
    # Longer than a command may take, and not as long as a message may: Redis has both attempts.
    gevent.sleep(1.5)
    site.redis.thaw()
    before = site.taken
    until(lambda: site.taken >= before + 50)
    site.settle(busy)
    assert right(site, durable=True)
    assert site.gaps() == [[]] * 4


def test_a_redis_that_is_emptied_is_a_gap_before_the_next_message(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    site = Site(start_redis(), serve, connect)
    for _ in range(5):
        site.publish()
    site.read_to_last()
    client = site.redis.client()
    client.flushall()
    client.close()
    site.read_to_last()
    assert right(site, durable=False)
    for account in site.books.connections:
        assert account.received[-2] == Gap(GROUP, "lost")
    site.read_to_last()  # and that was all
    assert site.gaps() == [["lost"]] * 4


def test_a_subscription_that_is_made_again_and_again_delivers_all_once(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    site = Site(start_redis(), serve, connect)
    busy = [gevent.spawn(lambda: [site.publish() for _ in range(300)]) for _ in range(4)]
    cluster = site.nodes[1].node.broker
    assert isinstance(cluster, RedisBroker)
    channel = STREAM.encode()
    shard = cluster._shards.of(channel)
    while not all(each.ready() for each in busy):
        shard.on_listening(channel)  # while the answer to the one before is on its way
        gevent.sleep(0.001)
    site.settle(busy)
    assert right(site, durable=True)


POISON: list[dict[str, bytes]] = [
    {"x": b"y"},
    {"kind": b"\xff\x00", "data": b"\xff"},
    {"epoch": b"", "nonce": b"", "previous": b"none", "kind": b"text", "data": b"poison"},
    {"epoch": b"e", "nonce": b"n", "previous": b"0-0", "kind": b"evil", "data": b"poison"},
    {"epoch": b"e", "nonce": b"n", "previous": b"0-0", "kind": b"disconnect", "data": b"[" * 99},
    {"epoch": b"e", "nonce": b"n", "previous": b"0-0", "kind": b"join", "data": b"7"},
]

RUBBISH = (
    b"", b"\n", b"\xff" * 100, b"a b c d e f\ndata", b"1-1 0-0 e n text", b"-1-1 0-0 e n text \nx",
    b"1-1 0-0 e n text \npoison", b"9" * 5000 + b"-1 0-0 e n text \npoison",
)  # fmt: skip


def test_entries_of_other_programs_do_no_harm(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    site = Site(start_redis(), serve, connect)
    client = site.redis.client()
    for poison in POISON:
        site.read_to_last()
        client.xadd(STREAM, poison)  # type: ignore[arg-type]
    for rubbish in RUBBISH:
        site.read_to_last()
        client.publish(STREAM, rubbish)
        client.publish("global", rubbish)
    site.read_to_last()
    client.close()
    assert right(site, durable=True)
    assert site.gaps() == [[]] * 4
    assert all(node.node.broker.losses == 0 for node in site.nodes)


def test_a_node_that_was_frozen_catches_up(
    start_redis: StartRedis, start: Start, connect: Connect
) -> None:
    redis = start_redis()
    node = start("-m", "fws_gevent", "-p", "0", "-f", "benchmarks.soak.node",
                 "--redis_url", redis.url)  # fmt: skip
    member = connect(node.port())
    member.send(f"join {GROUP}")
    assert member.receive() == f"done join {GROUP}"
    publisher = Publisher(redis.url)
    admin: Any = redis.client()
    node.signal(signal.SIGSTOP)
    thaw = gevent.spawn_later(3, node.signal, signal.SIGCONT)
    for number in range(100):
        publisher.publish(str(number), GROUP)
        if number == 50:  # as Redis does to a subscriber that doesn't read
            admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert not thaw.ready()
    assert [member.receive() for _ in range(100)] == [str(number) for number in range(100)]
    publisher.publish("next", GROUP)
    assert member.receive() == "next"
    publisher.close()
    admin.close()
