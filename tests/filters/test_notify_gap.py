"""The bundled filter that notifies clients of a gap."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fws_gevent.filters.base import WebSocketGapFilter, WebSocketMessageFilter
from fws_gevent.filters.notify_gap import NotifyGapFilter
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import Client
from ..conftest import Connect, Serve
from ..redis_processes import RedisProcess


class Join(WebSocketMessageFilter):
    """Joins the group that a message names."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.join(data.text)
        web_socket_instance.send("joined")


def join(client: Client, group: str) -> Client:
    client.send(group)
    assert client.receive() == "joined"
    return client


def notice(client: Client) -> Any:
    return json.loads(client.receive())


def test_it_is_a_filter_of_gaps() -> None:
    assert issubclass(NotifyGapFilter, WebSocketGapFilter)


@pytest.mark.parametrize("group", ["room", "*", 'with "quotes" and grüße'])
def test_only_the_members_of_the_group_get_the_notice(
    group: str, serve: Serve, connect: Connect
) -> None:
    server = serve([Join, NotifyGapFilter])
    member, other = join(connect(server), group), join(connect(server), "other")
    server.node.events.gap_route.tell(server.node, {"group": group, "reason": "lost"})
    assert notice(member) == {"fws": "gap", "group": group, "reason": "lost"}
    server.broadcast("next")
    assert member.receive() == other.receive() == "next"


def test_without_a_group_all_connections_get_the_notice(serve: Serve, connect: Connect) -> None:
    server = serve([Join, NotifyGapFilter])
    clients = [join(connect(server), "room"), connect(server)]
    server.node.events.gap_route.tell(server.node, {"group": None, "reason": "trimmed"})
    for client in clients:
        assert notice(client) == {"fws": "gap", "group": None, "reason": "trimmed"}


def test_each_node_sends_the_notice_once_before_the_next_message(
    redis_server: RedisProcess, serve: Serve, connect: Connect
) -> None:
    servers = [
        serve([Join, NotifyGapFilter],
              extra={"storage_object": RedisStorageObject(port=redis_server.port)})
        for _ in range(2)
    ]  # fmt: skip
    clients = [join(connect(server), "room") for server in servers]
    outside = join(connect(servers[0]), "other")
    servers[0].broadcast("before", group="room")
    assert [client.receive() for client in clients] == ["before"] * 2
    plain = redis_server.client()
    plain.delete("fws:{room}:stream")
    plain.close()
    servers[1].broadcast("after", group="room")
    for client in clients:
        assert notice(client) == {"fws": "gap", "group": "room", "reason": "lost"}
        assert client.receive() == "after"
    servers[0].broadcast("last")
    for client in (*clients, outside):
        assert client.receive() == "last"


def test_a_gap_of_one_node_is_not_told_on_others(
    redis_server: RedisProcess, serve: Serve, connect: Connect
) -> None:
    one, two = (
        serve([Join, NotifyGapFilter],
              extra={"storage_object": RedisStorageObject(port=redis_server.port)})
        for _ in range(2)
    )  # fmt: skip
    here, there = (join(connect(server), "room") for server in (one, two))
    one.node.events.gap_route.tell(one.node, {"group": "room", "reason": "overrun"})
    assert notice(here)["reason"] == "overrun"
    two.broadcast("next", group="room")
    assert here.receive() == there.receive() == "next"
