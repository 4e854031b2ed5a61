"""A revocation ends the connections that it is for, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from gevent import get_hub

from fws_gevent.errors import TokenInvalid
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.node import guard as guard_module
from fws_gevent.node.guard import Guard
from fws_gevent.tokens import Claims
from fws_gevent.tokens.store import Revocation
from tests.conftest import Connect, Serve
from tests.native_threads import in_thread
from tests.waiting import until

from .guarded import ask, enter, greeted, guarded, of


def test_revoking_ends_just_the_right_connections(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    issue, tokens = server.tokens.issue, server.tokens
    made = {"one": issue("ada"), "two": issue("ada"), "kin": issue("bob", family="f"),
            "kin too": issue("bob", family="f"), "bob": issue("bob"),
            "cy": issue("cy")}  # fmt: skip
    clients = {name: enter(server, connect, token) for name, token in made.items()}

    def ended(*names: str) -> None:
        for name in names:
            assert clients.pop(name).frame().close == (4401, "the token was revoked")
        for client in clients.values():
            greeted(client)

    tokens.revoke(tokens.verify(made["one"]))
    ended("one")
    tokens.revoke_family("f", "ada")
    ended("kin", "kin too")
    tokens.revoke_id(tokens.verify(made["cy"]).token_id)
    ended("cy")
    tokens.revoke_subject("nobody")
    ended()
    tokens.revoke_subject("ada")
    ended("two")
    tokens.revoke_subject("bob")
    ended("bob")


def test_revoking_a_subject_finds_connections_that_left_its_group(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    one, two = (enter(server, connect, server.tokens.issue("ada")) for _ in range(2))
    assert ask(one, "leave subject:ada") == "left"
    server.tokens.revoke_subject("ada")
    for client in (one, two):
        assert client.frame().close[0] == 4401


def test_a_revocation_looks_at_many_connections_in_portions_and_finds_them_all(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "SWEEP", 2)
    server = guarded(serve)
    names = ["bob", "ada", "cy", "ada", "di", "ada"]
    clients = [enter(server, connect, server.tokens.issue(name)) for name in names]
    looked: list[str] = []

    def look(claims: Claims, revocation: Revocation) -> bool:
        looked.append(claims.subject)
        return claims.subject == revocation.value

    monkeypatch.setattr(guard_module, "_is_hit", look)
    server.tokens.revoke_subject("nobody")
    assert looked == names[:2]
    until(lambda: looked == names)
    server.tokens.revoke_subject("ada")
    for name, client in zip(names, clients, strict=True):
        if name == "ada":
            assert client.frame().close == (4401, "the token was revoked")
        else:
            greeted(client)


def test_a_subjects_later_tokens_are_not_revoked(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = enter(server, connect, server.tokens.issue("ada"))
    claims = of(server, client).token
    claims["iat"] += 10
    server.tokens.revoke_subject("ada")
    greeted(client)
    assert ask(client, "who") == "ada"


def test_an_offloaded_filter_may_revoke(serve: Serve, connect: Connect) -> None:
    class Revoke(WebSocketMessageFilter):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            server.tokens.revoke_subject(data.text)

    server = guarded(serve, Revoke)
    ada, bob = (enter(server, connect, server.tokens.issue(name)) for name in ("ada", "bob"))
    ada.send("bob")
    assert bob.frame().close == (4401, "the token was revoked")
    greeted(ada)


def test_another_thread_leaves_the_end_to_the_servers_own(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = guarded(serve)
    end, elsewhere = Guard._end_revoked, []

    def watched(guard: Guard, revocation: Revocation) -> None:
        elsewhere.append(server.node.reactor.elsewhere())
        end(guard, revocation)

    monkeypatch.setattr(Guard, "_end_revoked", watched)
    client = enter(server, connect, server.tokens.issue("ada"))
    get_hub().threadpool.apply(server.tokens.revoke_subject, ("ada",))
    assert client.frame().close[0] == 4401
    assert elsewhere == [False]


@pytest.mark.parametrize("moment", ["before it is told", "while it is told"])
def test_a_revocation_of_another_thread_is_kept_though_the_loop_ends(
    moment: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = guarded(serve)
    claims = server.tokens.verify(server.tokens.issue("ada"))
    reactor, ended = server.node.reactor, list[Revocation]()
    call_here = reactor.call_here

    def end_first(*arguments: Any) -> None:
        reactor.refuse_calls()
        call_here(*arguments)

    monkeypatch.setattr(Guard, "_end_revoked", lambda _, revocation: ended.append(revocation))
    if moment == "before it is told":
        reactor.refuse_calls()
    else:
        monkeypatch.setattr(reactor, "call_here", end_first)
    in_thread(server.tokens.revoke_subject, "ada")
    reactor.take_calls(get_hub().loop)
    assert ended == []
    with pytest.raises(TokenInvalid):
        server.tokens.check_not_revoked(claims)


def test_revoking_before_the_start_or_after_the_end_is_harmless(serve: Serve) -> None:
    server = guarded(serve)
    server.stop(0.1)
    server.tokens.revoke_subject("ada")
