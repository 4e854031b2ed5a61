"""The contract that every broker fulfils, for one node and for many."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent.monkey import get_original

from fws_gevent.broker.base import Broker, process_name
from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.errors import GroupNameInvalid
from fws_gevent.protocol.frames import BINARY, TEXT
from fws_gevent.settings import Settings
from fws_gevent.signals import Member
from fws_gevent.startup.broker import shared_with
from fws_gevent.storage.redis import RedisStorageObject

from ..redis_processes import RedisProcess
from ..waiting import until
from .hosts import Host

MakeBroker = Callable[[], Broker]

HELLO, BYTES = bytes((TEXT,)) + b"hello", bytes((BINARY,)) + b"\xff"


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBroker]:
    """Makes brokers of one kind; those that are shared are all of one server."""
    monkeypatch.setattr("fws_gevent.cluster.nodes.HEARTBEAT", 0.05)
    storages: list[RedisStorageObject] = []

    def make_one() -> Broker:
        if request.param == "memory":
            return MemoryBroker()
        redis: RedisProcess = request.getfixturevalue("redis_server")
        storages.append(RedisStorageObject(port=redis.port))
        return shared_with(Settings(), storages[-1]).broker

    yield make_one
    for storage in storages:
        storage.close()


@pytest.fixture
def hosts(make: MakeBroker) -> Iterator[list[Host]]:
    """All nodes of a server: one with a broker of its own, or two that share one."""
    broker = make()
    found = [Host(broker), Host(make())] if broker.shared else [Host(broker)]
    for host in found:
        host.start()
    yield found
    for host in found:
        host.stop()


def test_a_message_reaches_the_members_of_a_group_on_all_nodes(hosts: list[Host]) -> None:
    for number, host in enumerate(hosts):
        host.enter(f"in{number}", "room")
        host.enter(f"out{number}")
    for host in hosts:
        host.broker.publish(TEXT, b"hello", "room", "")
    hosts[0].broker.publish(BINARY, bytearray(b"\xff"), None, "")
    for number, host in enumerate(hosts):
        until(lambda host=host: all(BYTES in each for each in host.got.values()))  # type: ignore[misc]
        assert host.got[f"in{number}"].count(HELLO) == len(hosts)
        assert host.got[f"out{number}"] == [BYTES]


def test_all_members_get_the_messages_of_a_group_in_one_order(hosts: list[Host]) -> None:
    for number, host in enumerate(hosts):
        host.enter(f"c{number}", "room")
    for number in range(50):
        hosts[number % len(hosts)].broker.publish(TEXT, str(number).encode(), "room", "")
    orders = [host.got[f"c{number}"] for number, host in enumerate(hosts)]
    until(lambda: all(len(order) == 50 for order in orders))
    assert all(order == [b"\x01%d" % number for number in range(50)] for order in orders)


def test_the_excluded_connection_gets_nothing_on_any_node(hosts: list[Host]) -> None:
    for number, host in enumerate(hosts):
        host.enter(f"c{number}", "room")
    for left_out in range(len(hosts)):
        for host in hosts:
            host.broker.publish(TEXT, b"hello", "room", f"c{left_out}")
    hosts[0].broker.publish(BINARY, b"\xff", "room", "")
    for number, host in enumerate(hosts):
        got = host.got[f"c{number}"]
        until(lambda got=got: BYTES in got)  # type: ignore[misc]
        assert got.count(HELLO) == len(hosts) * (len(hosts) - 1)


def test_a_payload_may_change_once_it_is_published(hosts: list[Host]) -> None:
    hosts[0].enter("c", "room")
    payload = bytearray(b"hello")
    hosts[0].broker.publish(TEXT, payload, "room", "")
    payload[:] = b"other"
    until(lambda: hosts[0].got["c"])
    assert hosts[0].got["c"] == [HELLO]


def test_another_thread_may_publish(hosts: list[Host]) -> None:
    hosts[-1].enter("c", "room")
    failed: list[BaseException] = []

    def publish() -> None:
        try:
            hosts[0].broker.publish(TEXT, b"hello", "room", "")
        except BaseException as error:
            failed.append(error)

    get_original("_thread", "start_new_thread")(publish, ())
    until(lambda: hosts[-1].got["c"] == [HELLO] or failed)
    assert not failed
    assert threading.active_count() >= 1


def test_a_join_without_waiting_misses_no_later_message_of_its_node(
    hosts: list[Host],
) -> None:
    for number in range(20):
        hosts[0].enter(f"c{number}", f"room{number}", wait=False)
        hosts[0].broker.publish(TEXT, b"hello", f"room{number}", "")
    until(lambda: all(got == [HELLO] for got in hosts[0].got.values()))
    assert hosts[0].gaps == []


def test_members_are_those_of_all_nodes(hosts: list[Host]) -> None:
    for number, host in enumerate(hosts):
        host.enter(f"c{number}", "room", subject="ada")
        host.enter(f"d{number}", "other")
    names = [host.broker.node_name for host in hosts]
    assert len(set(names)) == len(names)
    wanted = [Member("room", f"c{number}", "ada", name) for number, name in enumerate(names)]
    for host in hosts:
        until(lambda host=host: len(host.broker.members("room")) == len(wanted))  # type: ignore[misc]
        assert sorted(host.broker.members("room")) == wanted
    assert hosts[0].broker.members("nowhere") == []


def test_a_member_that_left_is_none_and_gets_nothing(hosts: list[Host]) -> None:
    for number, host in enumerate(hosts):
        host.enter(f"stays{number}", "room")
        host.enter(f"goes{number}", "room")
        host.leave(f"goes{number}", "room")
    until(lambda: len(hosts[0].broker.members("room")) == len(hosts))
    hosts[0].broker.publish(TEXT, b"hello", "room", "")
    for number, host in enumerate(hosts):
        until(lambda got=host.got[f"stays{number}"]: got == [HELLO])  # type: ignore[misc]
        assert host.got[f"goes{number}"] == []


def test_a_subject_is_disconnected_on_all_nodes_and_counted(hosts: list[Host]) -> None:
    for number, host in enumerate(hosts):
        host.enter(f"c{number}", "subject:ada", subject="ada")
    until(lambda: len(hosts[0].broker.members("subject:ada")) == len(hosts))
    assert hosts[0].broker.disconnect("ada", None, 4001, "go") == len(hosts)
    for number, host in enumerate(hosts):
        until(lambda host=host: host.closed)  # type: ignore[misc]
        assert host.closed == [(f"c{number}", 4001, "go")]
    assert hosts[0].broker.disconnect("bob", None, 4001, "go") == 0


def test_a_connection_is_disconnected_by_its_id_on_any_node(hosts: list[Host]) -> None:
    hosts[-1].enter("c")
    hosts[-1].enter("d")
    hosts[0].broker.disconnect(None, "c", 4001, "go")
    until(lambda: hosts[-1].closed)
    assert hosts[-1].closed == [("c", 4001, "go")]


def test_a_wrong_subject_is_refused(hosts: list[Host]) -> None:
    with pytest.raises(GroupNameInvalid):
        hosts[0].broker.disconnect("a\nb", None, 4001, "go")


def test_all_is_well_while_nothing_fails(hosts: list[Host]) -> None:
    for host in hosts:
        until(lambda host=host: host.broker.healthy)  # type: ignore[misc]
        assert (host.broker.losses, host.broker.gaps, host.gaps) == (0, 0, [])
        assert not any(each.failing or each.ended for each in host.broker.loops)


def test_each_node_knows_the_status_of_the_others(hosts: list[Host]) -> None:
    for host in hosts:
        wanted: list[Any] = [{"name": "host"}] * (len(hosts) - 1)
        until(lambda host=host: len(host.broker.others) == len(hosts) - 1)  # type: ignore[misc]
        assert list(host.broker.others) == wanted


def test_one_that_is_not_started_is_harmless(make: MakeBroker) -> None:
    host = Host(make())
    assert host.broker.healthy
    host.broker.publish(TEXT, b"hello", "room", "")
    assert host.broker.members("room") == []
    assert not host.broker.loops
    assert not host.broker.others
    host.broker.stop()
    assert host.broker.node_name.startswith(process_name())


def test_one_that_was_stopped_may_start_again(make: MakeBroker) -> None:
    host = Host(make())
    for _ in range(2):
        host.start()
        host.enter("c", "room")
        host.broker.publish(TEXT, b"hello", "room", "")
        until(lambda: host.got["c"] == [HELLO])
        host.leave("c", "room")
        host.stop()
        host.stop()
