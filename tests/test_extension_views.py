"""The extension's methods for views."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from functools import partial
from typing import Any

import pytest
from flask import request

from fws_gevent.errors import GroupNameInvalid, NotIssued, TokenInvalid
from fws_gevent.extension import FilteredWebSocket
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer, build_server

from .conftest import Connect
from .flask_sites import Make, flask_app, get, serving
from .native_threads import Running, in_thread
from .node.guarded import Script, bearer, greeted
from .tokens.issuing import SECRET
from .waiting import until

run = pytest.fixture(serving)


@pytest.fixture
def site(run: Make) -> tuple[FilteredWebSocket, FilteredWebSocketServer]:
    """Return a site whose views call the extension."""
    app = flask_app(auth="required", signing_key=SECRET)
    fws = FilteredWebSocket(filters=[Script])

    @app.get("/do/<what>")
    def do(what: str) -> Any:
        given = request.args.to_dict()
        try:
            answer = getattr(fws, what)(**given)
        except Exception as error:
            return f"{type(error).__name__}: {error}", 500
        return answer if isinstance(answer, dict) else str(answer)

    fws.init_app(app)
    return fws, run(app)


def test_views_broadcast_and_send_to_a_subject(
    site: tuple[FilteredWebSocket, FilteredWebSocketServer], connect: Connect
) -> None:
    fws, server = site
    ada, bob = (
        greeted(connect(server, "/ws", headers=bearer(fws.issue_token(name, ["room"]))))
        for name in ("ada", "bob")
    )
    ada.send("join room")
    assert ada.receive() == "joined"
    get(server, "/do/broadcast?data=all")
    get(server, "/do/broadcast?data=room&group=room")
    get(server, "/do/send_to?subject=bob&data=yours")
    get(server, "/do/send_to?subject=nobody&data=x")
    assert [ada.receive(), ada.receive()] == ["all", "room"]
    assert [bob.receive(), bob.receive()] == ["all", "yours"]
    greeted(ada)
    assert get(server, "/do/broadcast").status == 500


def test_views_list_the_members_of_a_group(
    site: tuple[FilteredWebSocket, FilteredWebSocketServer], connect: Connect
) -> None:
    fws, server = site
    ada = greeted(connect(server, "/ws", headers=bearer(fws.issue_token("ada", ["room"]))))
    ada.send("join room")
    assert ada.receive() == "joined"
    (member,) = fws.members("room")
    assert (member.group, member.subject) == ("room", "ada")
    assert member.id in server.users
    assert get(server, "/do/members?group=room").body == str([member])
    assert fws.members("another") == []


def test_views_disconnect_a_subject_or_one_connection(
    site: tuple[FilteredWebSocket, FilteredWebSocketServer], connect: Connect
) -> None:
    fws, server = site
    ada, too, bob = (
        greeted(connect(server, "/ws", headers=bearer(fws.issue_token(name))))
        for name in ("ada", "ada", "bob")
    )
    assert get(server, "/do/disconnect?subject=ada").body == "2"
    for client in (ada, too):
        assert client.frame().close == (1000, "disconnected by the application")
        client.close(1000)
    greeted(bob)
    until(lambda: server.live == 1)
    (mine,) = server.users
    assert get(server, f"/do/disconnect?id={mine}&reason=out").body == "1"
    assert bob.frame().close == (1000, "out")
    assert get(server, "/do/disconnect?id=x").body == "0"
    assert get(server, "/do/disconnect?subject=nobody").body == "0"
    for query in ("", "?id=x&subject=y"):
        assert get(server, f"/do/disconnect{query}").body.startswith("TypeError: disconnect()")


def test_views_issue_tokens_and_tickets_that_open_a_connection(
    site: tuple[FilteredWebSocket, FilteredWebSocketServer], connect: Connect
) -> None:
    _, server = site
    token = get(server, "/do/issue_token?subject=ada").body
    ticket = get(server, "/do/issue_ticket?subject=bob").body
    for path, headers, subject in (
        ("/ws", bearer(token), "ada"),
        (f"/ws?ticket={ticket}", [], "bob"),
    ):
        client = connect(server, path, headers=headers)
        client.send("who")
        assert client.receive() == subject
    made = get(server, "/do/issue_tokens?subject=cy&scope=publish").body
    for name in ("access_token", "refresh_token", "expires_in"):
        assert f'"{name}"' in made


def test_views_revoke_tokens_and_subjects(
    site: tuple[FilteredWebSocket, FilteredWebSocketServer], connect: Connect
) -> None:
    fws, server = site
    tokens = [fws.issue_token("ada") for _ in range(2)]
    one, two = (greeted(connect(server, "/ws", headers=bearer(token))) for token in tokens)
    assert get(server, f"/do/revoke?token={tokens[0]}").status == 200
    assert one.frame().close == (4401, "the token was revoked")
    greeted(two)
    assert get(server, "/do/revoke?subject=ada").status == 200
    assert two.frame().close == (4401, "the token was revoked")
    with pytest.raises(TokenInvalid):
        fws.revoke(token=tokens[0])
    for wrong in ({}, {"subject": "x", "token": "y"}):
        with pytest.raises(TypeError):
            fws.revoke(**wrong)


def test_without_a_key_nothing_is_issued() -> None:
    with pytest.raises(NotIssued, match="set FWS_SIGNING_KEY"):
        FilteredWebSocket(flask_app(), filters=[]).issue_token("ada")


def test_it_may_be_used_from_native_threads(
    site: tuple[FilteredWebSocket, FilteredWebSocketServer], connect: Connect
) -> None:
    fws, server = site
    client = greeted(connect(server, "/ws", headers=bearer(fws.issue_token("ada", ["room"]))))
    client.send("join room")
    assert client.receive() == "joined"

    def send_many() -> None:
        for number in range(50):
            fws.broadcast(f"all {number}")
            fws.broadcast(f"room {number}", "room")
            fws.send(f"ada {number}", to="ada")

    threads = [Running(send_many) for _ in range(3)]
    for thread in threads:
        thread.result()
    got = [client.receive() for _ in range(3 * 3 * 50)]
    assert Counter(got) == {f"{to} {n}": 3 for to in ("all", "room", "ada") for n in range(50)}
    (member,) = in_thread(fws.members, "room")
    assert (member.id, member.subject) == (*server.users, "ada")
    assert in_thread(partial(fws.disconnect, subject="ada", code=4000)) == 1
    assert client.frame().close[0] == 4000


@pytest.mark.parametrize("started", [False, True])
def test_from_native_threads_it_reaches_nobody_before_the_start_and_after_the_end(
    started: bool,
) -> None:
    app = flask_app()
    fws = FilteredWebSocket(app, filters=[])
    server = build_server(Namespace(port=0), application=app)
    if started:
        server.start()
        server.stop(0.5)
    in_thread(fws.broadcast, "all")
    in_thread(fws.send_to, "ada", "yours")
    assert in_thread(fws.members, "room") == []
    assert in_thread(partial(fws.disconnect, subject="ada")) == 0
    with pytest.raises(GroupNameInvalid):
        in_thread(fws.broadcast, "all", "")


def test_an_offloaded_filter_may_use_it_as_a_view_does(run: Make, connect: Connect) -> None:
    class Away(WebSocketMessageFilter):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            fws.broadcast("all")
            fws.disconnect(id=web_socket_instance.id, code=4000)

    app = flask_app()
    fws = FilteredWebSocket(app, filters=[Away])
    client = connect(run(app), "/ws")
    client.send("go")
    assert client.receive() == "all"
    assert client.frame().close[0] == 4000
