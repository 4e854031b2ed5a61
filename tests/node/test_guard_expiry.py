"""Renewed, narrowed and expired tokens, and the groups that they grant."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent.filters.base import WebSocketMessageFilter
from tests.clients import frame
from tests.clocks import ShiftedClock
from tests.conftest import Connect, Serve
from tests.waiting import until

from .guarded import Script, ask, bearer, enter, greeted, guard_of, guarded, is_empty, of

FAST: dict[str, Any] = {"ping_timeout": 0.04}  # a tick of the wheel is 0.01 s


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


# Groups.


def test_only_groups_that_the_token_grants_are_joined(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = enter(server, connect, server.tokens.issue("ada", ["room:*", "lobby"]))
    assert ask(client, "join room:1") == "joined"
    assert ask(client, "join lobby") == "joined"
    for refused in ("room", "lobby:1", "other", "subject:bob", "*", "room:*"[:4]):
        assert ask(client, f"try {refused}") == f"caught: the token doesn't grant group {refused!r}"
    assert of(server, client).groups == {"subject:ada", "room:1", "lobby"}
    assert server.groups.keys() == {"subject:ada", "room:1", "lobby"}


def test_an_uncaught_refusal_of_a_group_is_sent_to_the_client_and_stops_the_chain_alone(
    serve: Serve, connect: Connect
) -> None:
    class After(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send("after")

    server = guarded(serve, Script, After)
    client = enter(server, connect, server.tokens.issue("ada"))
    assert ask(client, "join room") == "Error: 4403 not allowed in group room"
    assert ask(client, "who") == "ada"  # it stays
    assert client.receive() == "after"
    chain = server.node.events.chains["message"]
    assert chain.stops == {Script: 1}
    assert not chain.failures
    assert chain.calls_of(After) == 1
    assert "room" not in server.groups


def test_a_broadcast_to_a_subjects_group_reaches_all_of_its_connections_alone(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    one, two = (enter(server, connect, server.tokens.issue("ada")) for _ in range(2))
    other = enter(server, connect, server.tokens.issue("bob"))
    server.broadcast("for ada", group="subject:ada")
    assert (one.receive(), two.receive()) == ("for ada", "for ada")
    greeted(other)


# Renewal.


def test_a_new_token_for_the_same_subject_sets_a_later_end(
    serve: Serve, connect: Connect, clock: ShiftedClock
) -> None:
    server = guarded(serve, extra={"clock": clock}, ping_interval=0.0)
    client = enter(server, connect, server.tokens.issue("ada", ttl=60))
    assert ask(client, "token:" + server.tokens.issue("ada", ["room"], ttl=600)) == "token:accepted"
    clock.advance(100)
    assert ask(client, "join room") == "joined"
    assert guard_of(server)._expiries.keys() == {of(server, client).id}
    clock.advance(510)
    assert client.frame().close == (4401, "the token has expired")


def test_a_token_for_another_subject_changes_nothing(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = enter(server, connect, server.tokens.issue("ada", ["room"]))
    before = of(server, client).token
    until_ = guard_of(server)._expiries[of(server, client).id].until
    answer = ask(client, "token:" + server.tokens.issue("bob", ["other"], ttl=9999))
    assert answer == "token:refused the token is for another subject"
    assert of(server, client).token is before
    assert guard_of(server)._expiries[of(server, client).id].until == until_
    assert server.groups.keys() == {"subject:ada"}
    assert ask(client, "join room") == "joined"


def test_a_token_that_is_not_valid_changes_nothing(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = enter(server, connect, server.tokens.issue("ada", ["room"]))
    assert ask(client, "token:x") == "token:refused the token is malformed"
    assert ask(client, "join room") == "joined"
    assert ask(client, "who") == "ada"


def test_a_narrower_token_leaves_the_groups_that_it_does_not_grant(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    client = enter(server, connect, server.tokens.issue("ada", ["room:*"]))
    for name in ("room:1", "room:2"):
        ask(client, f"join {name}")
    assert ask(client, "token:" + server.tokens.issue("ada", ["room:2"])) == "token:accepted"
    assert of(server, client).groups == {"subject:ada", "room:2"}
    assert server.groups.keys() == {"subject:ada", "room:2"}
    server.broadcast("not for it", group="room:1")
    assert ask(client, "join room:1") == "Error: 4403 not allowed in group room:1"


# Expiry.


def test_a_connection_is_closed_when_its_token_ends(
    serve: Serve, connect: Connect, clock: ShiftedClock
) -> None:
    server = guarded(serve, extra={"clock": clock}, ping_interval=0.0)
    client = enter(server, connect, server.tokens.issue("ada", ttl=600))
    clock.advance(500)
    greeted(client)
    clock.advance(110)
    assert client.frame().close == (4401, "the token has expired")


def test_the_leeway_is_granted_at_the_end_too(
    serve: Serve, connect: Connect, clock: ShiftedClock
) -> None:
    server = guarded(serve, token_leeway=300.0, extra={"clock": clock}, ping_interval=0.0)
    client = enter(server, connect, server.tokens.issue("ada", ttl=60))
    clock.advance(200)
    greeted(client)
    clock.advance(170)
    assert client.frame().close[0] == 4401


def test_a_short_token_ends_by_itself(serve: Serve, connect: Connect) -> None:
    server = guarded(serve, **FAST)
    client = connect(server)
    client.send("token:" + server.tokens.issue("ada", ttl=1))
    assert client.receive() == "token:accepted"
    assert client.frame().close == (4401, "the token has expired")


def test_a_token_that_ends_in_years_has_a_deadline_sooner(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = enter(server, connect, server.tokens.issue("ada", ttl=9e8))
    (expiry,) = guard_of(server)._expiries.values()
    assert 0 < expiry.due - server.node.wheel.now <= server.node.wheel.ticks(86400)
    expiry.on_due()
    assert expiry.due > server.node.wheel.now
    greeted(client)


# Nothing is left.


def test_nothing_is_left_of_connections_that_are_gone(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    for number in range(100):
        token = server.tokens.issue(f"user {number}", ["room"])
        early = frame(1, b"token:" + token.encode()) + frame(1, b"join room")
        five = [
            connect(server, headers=bearer(token)),
            connect(server, early=early),
            connect(server),
            connect(server, early=frame(1, b"token:x")),
            connect(server, headers=bearer(token), early=frame(1, b"join room") + frame(8)),
        ]
        for client in five:
            client.drop()
    until(lambda: not server.live)
    assert is_empty(server)
    assert len(server.node.wheel) == 1  # the statistics' own
    assert server.node.counters.closes.total() == 500
