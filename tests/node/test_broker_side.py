"""The side of a node that its broker knows."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from fws_gevent import signals
from fws_gevent.broker.host import BrokerHost
from fws_gevent.node.broker_side import BrokerSide
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.signals import Member
from tests.conftest import Serve


@pytest.fixture
def server(serve: Serve) -> FilteredWebSocketServer:
    return serve()


def side_of(server: FilteredWebSocketServer) -> BrokerHost:
    node = server.node
    return BrokerSide(node.membership, node.events, node.queue, node.statistics)


@pytest.mark.parametrize(
    ("bus", "joined"), [(signals.member_joined, True), (signals.member_left, False)]
)
def test_members_on_other_nodes_are_events_of_the_node(
    bus: signals.Bus, joined: bool, server: FilteredWebSocketServer
) -> None:
    host, heard = side_of(server), list[Any]()
    assert not host.hears_members(joined=joined)

    def hear(node: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append((node, data))

    bus.connect(hear, sender=server)
    member = Member("room", "1", None, "another")
    assert host.hears_members(joined=joined)
    assert not host.hears_members(joined=not joined)
    host.tell_member(member, joined=joined)
    assert heard == [(server.node, member)]


def test_a_gap_is_an_event_of_the_node(server: FilteredWebSocketServer) -> None:
    heard: list[Any] = []

    def hear(node: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append((node, data))

    signals.gap.connect(hear, sender=server)
    side_of(server).tell_gap("room", "lost")
    assert heard == [(server.node, {"group": "room", "reason": "lost"})]


def test_it_says_what_the_status_page_shows_of_the_node(server: FilteredWebSocketServer) -> None:
    summary = side_of(server).summary()
    assert (summary["state"], summary["connections"]) == ("serving", 0)
    stopping = gevent.spawn(server.stop)
    stopping.join(10)
    assert side_of(server).summary()["state"] == "draining"
