"""Tokens that come as messages: the first one, and those that renew it."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from fws_gevent import signals
from fws_gevent.connection.connection import Connection
from fws_gevent.filters.base import WebSocketConnectFilter
from tests.clients import PATIENCE, Client, frame
from tests.conftest import Connect, Serve
from tests.tokens.issuing import OTHER_SECRET, issued_elsewhere, payload
from tests.waiting import until

from .guarded import Ears, Script, bearer, greeted, guard_of, guarded, is_empty, of


def bring(client: Client, token: str) -> str | bytes:
    """Send a token, and return the answer."""
    client.send(f"token:{token}")
    return client.receive()


# The first message.


def test_a_token_may_be_the_first_message(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = greeted(connect(server))
    assert list(guard_of(server).pending.values()) == [of(server, client)]
    assert bring(client, server.tokens.issue("ada", ["room"])) == "token:accepted"
    connection = of(server, client)
    assert connection.id in server.users
    assert not guard_of(server).pending
    assert connection.groups == {"subject:ada"}
    client.send("who")
    assert client.receive() == "ada"


def test_the_space_around_a_token_counts_for_nothing(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    assert bring(connect(server), f" {server.tokens.issue('ada')}\n") == "token:accepted"


@pytest.mark.parametrize("first", ["hello", "", "Token:x", " token:x", "token", b"token:x", b""])
def test_any_other_first_message_ends_it(
    first: str | bytes, serve: Serve, connect: Connect
) -> None:
    ears = Ears()
    server = guarded(serve, *ears.filters())
    client = connect(server)
    client.send(first)
    code, reason = client.frame().close
    assert (code, reason) == (4401, "the first message must be token: and a token")
    client.close(4401)
    assert client.at_end()
    until(lambda: not server.live)
    assert ears.heard == []


def test_a_binary_message_is_no_token_however_valid(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = connect(server)
    client.send(b"token:" + server.tokens.issue("ada").encode())
    assert client.frame().close[0] == 4401


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("x", "the token is malformed"),
        ("", "the token is malformed"),
        ("é" * 20, "the token is malformed"),
        ("x" * 9000, "the token has over 8192 characters"),
        (issued_elsewhere(payload(exp=1)), "the token has expired"),
        (issued_elsewhere(payload(), OTHER_SECRET), "the token's signature doesn't fit"),
    ],
)
def test_a_first_token_that_is_not_valid_closes_it_with_the_reason(
    made: str, why: str, serve: Serve, connect: Connect
) -> None:
    client = connect(guarded(serve))
    client.send(f"token:{made}")
    assert client.frame().close == (4401, why)


def test_a_connection_without_a_token_in_time_is_closed(serve: Serve, connect: Connect) -> None:
    server = guarded(serve, token_timeout=0.05, ping_interval=0.04)
    client = connect(server)
    while (got := client.frame()).opcode == 9:  # pings are no token either
        client.raw(frame(10, got.payload))
    assert got.close == (4401, "no token came in time")


def test_the_time_to_bring_one_counts_no_more_once_it_came(serve: Serve, connect: Connect) -> None:
    server = guarded(serve, token_timeout=0.2, ping_timeout=0.04)
    client = connect(server)
    bring(client, server.tokens.issue("ada"))
    start = server.node.wheel.now
    until(lambda: server.node.wheel.now > start + 40)
    greeted(client)
    assert tuple(guard_of(server)._expiries) == server.users.keys()


def test_a_pending_connection_has_no_events_and_gets_no_messages(
    serve: Serve, connect: Connect
) -> None:
    ears, heard = Ears(), []
    server = guarded(serve, *ears.filters())

    def on_bus(sender: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append(data)

    buses = (signals.client_connected, signals.message_received, signals.client_disconnected)
    for bus in buses:
        bus.connect(on_bus, sender=server)
    client = greeted(connect(server))
    server.broadcast("to all")
    server.broadcast("to a group", group="subject:ada")
    assert server.live == 1
    assert not server.users
    assert len(server.node.pending) == 1
    assert server.node.statistics.snapshot()["connections"]["now"] == 1
    greeted(client)  # and no broadcast came before the answer
    client.close(1000)
    assert client.frame().close[0] == 1000
    until(lambda: not server.live)
    assert (ears.heard, heard) == ([], [])
    assert not guard_of(server).pending
    assert server.node.counters.closes == {1000: 1}


def test_all_hear_of_it_once_the_token_came(serve: Serve, connect: Connect) -> None:
    ears = Ears()
    server = guarded(serve, *ears.filters())
    client = connect(server, "/room?x=1", headers=["X-Mine: yes"])
    greeted(client)
    assert ears.heard == []
    bring(client, server.tokens.issue("ada"))
    ((name, environ),) = ears.heard
    assert name == "connect"
    assert environ["PATH_INFO"] == "/room"
    assert environ["QUERY_STRING"] == "x=1"
    assert environ["HTTP_X_MINE"] == "yes"
    server.broadcast("to all")
    assert client.receive() == "to all"
    client.close(1000, "bye")
    until(lambda: not server.live)
    assert ears.heard[1:] == [("disconnect", (1000, "bye"))]


def test_a_message_right_behind_the_token_is_handled_in_order(
    serve: Serve, connect: Connect
) -> None:
    class Slow(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            gevent.sleep(0.01)
            web_socket_instance.send("welcome")

    server = guarded(serve, Slow, Script)
    token = server.tokens.issue("ada").encode()
    numbers = [str(number) for number in range(600)]
    burst = frame(1, b"token:" + token) + b"".join(frame(1, each.encode()) for each in numbers)
    for client in (connect(server, early=burst), connect(server)):
        if not client._buffer:
            client.raw(burst)
        got = [client.receive() for _ in range(602)]
        assert got == ["token:accepted", "welcome", *numbers]


def test_one_that_is_lost_while_its_token_is_accepted_leaves_nothing_behind(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = Ears()
    server = guarded(serve, *ears.filters())

    def lose(connection: Any, data: Any) -> bool:
        connection.give_up(1006, "lost")
        return False

    monkeypatch.setattr(Connection, "send", lose)
    client = connect(server)
    client.send(f"token:{server.tokens.issue('ada')}")
    assert client.at_end()
    until(lambda: not server.live)
    assert is_empty(server)
    assert ears.heard == []  # it ended before it began
    assert server.node.counters.closes == {1006: 1}


def test_a_drain_closes_pending_connections_too(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = greeted(connect(server))
    stopping = gevent.spawn(server.stop, 5)
    assert client.frame().close == (1001, "the server is shutting down")
    client.close(1001)
    stopping.join(PATIENCE)
    assert server.live == 0
    assert server.node.counters.closes == {1001: 1}


def test_a_drain_cuts_mute_pending_connections_off(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = greeted(connect(server))
    server.stop(0.05)
    assert server.live == 0
    assert client.frame().close[0] == 1001
    assert client.at_end()


def test_pending_connections_count_to_those_that_there_may_be(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve, max_connections=1)
    greeted(connect(server))
    assert server.node.admission.limits.full


# Optional.


def test_with_an_optional_token_a_connection_without_one_may_send_but_not_join(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve, auth="optional")
    client = connect(server)
    for message, answer in (
        ("hello", "hello"),
        ("who", "nobody"),
        ("join room", "Error: 4403 not allowed in group room"),
        ("join subject:ada", "Error: 4403 not allowed in group subject:ada"),
        ("try room", "caught: the token doesn't grant group 'room'"),
        ("hello", "hello"),
    ):
        client.send(message)
        assert client.receive() == answer
    assert not server.groups
    assert not guard_of(server)._expiries


def test_a_later_token_gives_a_connection_its_subject(serve: Serve, connect: Connect) -> None:
    server = guarded(serve, auth="optional")
    client = connect(server)
    client.send("who")
    assert client.receive() == "nobody"
    assert bring(client, server.tokens.issue("ada", ["room"])) == "token:accepted"
    client.send("join room")
    assert client.receive() == "joined"
    assert server.groups.keys() == {"subject:ada", "room"}


def test_a_wrong_token_changes_nothing(serve: Serve, connect: Connect) -> None:
    client = connect(guarded(serve, auth="optional"))
    assert bring(client, "x") == "token:refused the token is malformed"
    client.send("who")
    assert client.receive() == "nobody"


@pytest.mark.parametrize("auth", ["optional", "required"])
def test_tokens_are_for_no_filter_and_no_subscriber(
    auth: str, serve: Serve, connect: Connect
) -> None:
    ears, heard = Ears(), []
    server = guarded(serve, *ears.filters(), Script, auth=auth)

    def on_bus(sender: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append(str(data))

    signals.message_received.connect(on_bus, sender=server)
    client = connect(server)
    token = server.tokens.issue("ada")
    for each in (token, token, "x"):
        bring(client, each)
    client.send("token ")
    assert client.receive() == "token "
    client.send(b"token:binary")
    client.send("last")
    assert [client.receive(), client.receive()] == [b"token:binary", "last"]
    told = [str(data) for name, data in ears.heard if name == "message"]
    assert told == heard == ["token ", str(b"token:binary"), "last"]


def test_with_auth_off_token_and_a_name_is_a_message_as_any(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Script]))
    client.send("token:lobby")
    assert client.receive() == "token:lobby"


def test_a_filter_cannot_assign_an_unchecked_token(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = greeted(connect(server, headers=bearer(server.tokens.issue("ada"))))
    connection = of(server, client)
    with pytest.raises(TypeError):
        connection.token = "lobby"
    assert connection.token.subject == "ada"
