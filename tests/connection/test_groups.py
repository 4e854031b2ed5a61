"""The token of a connection, and its groups."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent import signals
from fws_gevent.server import FilteredWebSocketServer
from tests.clients import Client
from tests.conftest import Connect, Serve
from tests.waiting import until

from .scripts import Script


def answer(client: Client, expression: str) -> str | bytes:
    """Return the value of an expression in which `ws` is the server's side of a client."""
    client.send(expression)
    return client.receive()


@pytest.fixture
def server(serve: Serve) -> FilteredWebSocketServer:
    return serve([Script])


def test_connections_that_share_a_token_are_a_group(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    one, two = connect(server), connect(server)
    for client in (one, two):
        client.send("setattr(ws, 'token', b'shared') or sorted(ws.groups)")
        assert client.receive() == "['shared']"
    one.send("ws.broadcast('hi', 'shared')")
    assert two.receive() == "hi"
    assert one.receive() == "None"
    one.send("setattr(ws, 'token', None) or (ws.token, sorted(ws.groups))")
    assert one.receive() == "(None, [])"


def test_a_connection_that_ends_leaves_its_groups(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    client = connect(server)
    client.send("ws.join('room')")
    client.receive()
    client.drop()
    until(lambda: not server.live)
    assert not server.groups
    assert not server.users


def test_a_token_with_the_same_text_neither_leaves_nor_joins(
    server: FilteredWebSocketServer, connect: Connect
) -> None:
    events: list[Any] = []
    client = connect(server)
    assert answer(client, "setattr(ws, 'token', 'blue')") == "None"

    def note(_: object, web_socket_instance: Any, data: Any) -> None:
        events.append(data)

    with signals.member_joined.connected_to(note), signals.member_left.connected_to(note):
        assert answer(client, "setattr(ws, 'token', b'blue')") == "None"
        assert answer(client, "(ws.token, sorted(ws.groups))") == "(b'blue', ['blue'])"
        assert answer(client, "setattr(ws, 'token', 'red')") == "None"
        until(lambda: len(events) == 2)
    assert [each.group for each in events] == ["blue", "red"]


@pytest.mark.parametrize("token", ["''", "'a\\nb'", "'x' * 256"])
def test_a_token_that_names_no_group_changes_nothing(
    server: FilteredWebSocketServer, connect: Connect, token: str
) -> None:
    client = connect(server)
    answer(client, "setattr(ws, 'token', 'blue')")
    client.send(f"setattr(ws, 'token', {token})")
    assert str(client.receive()).startswith("Error:")
    assert answer(client, "(ws.token, sorted(ws.groups))") == "('blue', ['blue'])"


def test_the_group_of_the_token_may_be_left_and_joined_again(
    server: FilteredWebSocketServer, connect: Connect
) -> None:
    client = connect(server)
    answer(client, "setattr(ws, 'token', 'blue')")
    assert answer(client, "ws.leave('blue') or sorted(ws.groups)") == "[]"
    assert answer(client, "ws.join('blue') or sorted(ws.groups)") == "['blue']"
    assert answer(client, "setattr(ws, 'token', None) or sorted(ws.groups)") == "[]"
    assert not server.groups


def test_a_closed_connection_joins_no_group(
    server: FilteredWebSocketServer, connect: Connect
) -> None:
    client = connect(server)
    until(lambda: server.users)
    (connection,) = server.users.values()
    connection.close(4000)
    connection.join("room")
    connection.token = "blue"
    assert connection.groups == frozenset()
    assert not server.groups
    assert client.frame().close[0] == 4000
