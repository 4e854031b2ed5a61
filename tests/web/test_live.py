"""The status page's WebSocket, /fws/status/live."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest

from fws_gevent import signals
from fws_gevent.connection.connection import Connection
from fws_gevent.filters.base import (
    WebSocketConnectFilter,
    WebSocketDataFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from fws_gevent.web import live
from fws_gevent.web.service import LIVE
from tests.clients import Client, Frame, frame, upgrade
from tests.conftest import Connect
from tests.raw_http import Answer, exchange
from tests.waiting import until

from .conftest import MakeSite
from .sites import Site, bearer


def log_in(site: Site, token: str | None = None) -> str:
    """Return the cookie of a log-in, by a token if one is given."""
    admin = site.fws._web.admin
    made = admin.new_log_in() if token is None else admin.log_in(token)
    assert made is not None
    return admin.cookie(made)


def refused(site: Site, *headers: str, query: str = "") -> Answer:
    """Return the answer to an upgrade request that is refused."""
    return exchange(site.server, upgrade(site.port, LIVE + query, headers))[0]


def watch(site: Site, connect: Connect, *headers: str) -> Client:
    """Open the WebSocket with a cookie, or with the given headers."""
    given = headers or (f"Cookie: a=b; fws_status={log_in(site)}",)
    return connect(site.port, LIVE, headers=given)


def told(client: Client) -> dict[str, Any]:
    """Return the next snapshot."""
    found: dict[str, Any] = json.loads(client.receive())
    return found


def other(client: Client) -> Frame:
    """Return the next frame that is not a snapshot."""
    while (got := client.frame()).opcode == 1:
        json.loads(got.payload)
    return got


def look(site: Site) -> None:
    """Do at once the work of every two seconds."""
    site.server.node.statistics.on_due()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Cookie: fws_status=rubbish"],
        ["Cookie: fws_status="],
        ["Cookie: \xff=;;; \xa0; fws_status"],
        ["Cookie: other=1"],
        ["Authorization: Bearer rubbish"],
        ["Authorization: Bearer a.b.c"],
        ["Authorization: Basic YTpi"],
        ["Sec-WebSocket-Protocol: fws, fws.bearer.a.b.c"],
    ],
)
def test_a_connection_without_access_is_refused(headers: list[str], site: Site) -> None:
    answer = refused(site, *headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="fws"')


def test_a_token_without_the_scope_is_refused(site: Site) -> None:
    token = site.token("ada", scope="publish revoke")
    assert refused(site, f"Authorization: {bearer(token)}").status == 401


def test_an_invalid_token_is_refused_despite_a_cookie(site: Site) -> None:
    cookie = f"Cookie: fws_status={log_in(site)}"
    assert refused(site, cookie, "Authorization: Bearer rubbish").status == 401


def test_a_ticket_does_not_open_it(site: Site) -> None:
    ticket = site.fws.issue_ticket("ada")
    assert refused(site, query=f"?ticket={ticket}").status == 401
    site.fws.tokens.redeem(ticket)  # and is not used up


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_pages_of_other_sites_are_refused(origin: str, site: Site) -> None:
    cookie = f"Cookie: fws_status={log_in(site)}"
    assert refused(site, cookie, f"Origin: {origin}").status == 403


def test_without_a_log_in_it_is_closed_also_with_auth_off(make_site: MakeSite) -> None:
    assert refused(make_site(auth="off", signing_key=None)).status == 401


def test_a_cookie_opens_it(site: Site, connect: Connect) -> None:
    cookie = f"Cookie: fws_status={log_in(site)}"
    assert told(watch(site, connect, cookie, f"Origin: {site.origin}"))["state"] == "serving"


@pytest.mark.parametrize(
    "header", ["Authorization: Bearer ", "Sec-WebSocket-Protocol: fws, fws.bearer."]
)
def test_a_token_with_the_scope_opens_it(header: str, site: Site, connect: Connect) -> None:
    client = watch(site, connect, header + site.token("ada", scope="publish status"))
    assert told(client)["state"] == "serving"


def test_only_the_first_message_has_the_history(site: Site, connect: Connect) -> None:
    client = watch(site, connect)
    names = set(site.fws._web.snapshot())
    first = told(client)
    assert set(first) == names
    assert set(first["history"]) == {
        "step", "connections", "messages_in", "messages_out", "bytes_in", "bytes_out",
    }  # fmt: skip
    for _ in range(2):
        look(site)
        assert set(told(client)) == names - {"history"}


def test_all_watchers_get_the_changes(site: Site, connect: Connect) -> None:
    watchers = [watch(site, connect) for _ in range(2)]
    assert [told(each)["connections"]["now"] for each in watchers] == [0, 0]
    site.dial(connect, site.token())
    for each in watchers:
        while not told(each)["connections"]["now"]:
            look(site)


@pytest.fixture
def heard() -> list[Any]:
    """Return the events that filters of all chains get."""
    heard: list[Any] = []
    for base in (WebSocketConnectFilter, WebSocketDataFilter, WebSocketMessageFilter,
                 WebSocketDisconnectFilter):  # fmt: skip

        class Hears(base):  # type: ignore[valid-type, misc]  # one for each chain
            @classmethod
            def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
                heard.append((cls, web_socket_instance.path))

    return heard


BUSES = (signals.client_connected, signals.data_received, signals.message_received,
         signals.client_disconnected)  # fmt: skip


def test_watchers_cause_no_events(heard: list[Any], make_site: MakeSite, connect: Connect) -> None:
    def on_event(server: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append((server, web_socket_instance.path))

    site = make_site(None)
    for bus in BUSES:
        bus.connect(on_event)
    try:
        client = watch(site, connect)
        told(client)
        client.send("hello")
        client.send(f"token:{site.token('admin')}")
        client.close()
        assert other(client).close == (1000, "")
        until(lambda: not site.server.node.side_nodes[LIVE].live)
        assert heard == []
        ordinary = site.dial(connect, site.token())
        ordinary.close()
        assert ordinary.frame().close == (1000, "")
        until(lambda: not site.server.live)
    finally:
        for bus in BUSES:
            bus.disconnect(on_event)
    assert {path for _, path in heard} == {"/ws"}
    assert len(heard) == 6  # both tell of the opening, the bytes of the Close, and the end


def test_broadcasts_of_the_application_do_not_reach_them(site: Site, connect: Connect) -> None:
    watcher, ordinary = watch(site, connect), site.dial(connect, site.token("admin"))
    told(watcher)
    site.fws.broadcast("for all")
    site.fws.send_to("admin", "for one")
    assert [ordinary.receive(), ordinary.receive()] == ["for all", "for one"]
    look(site)
    assert told(watcher)["state"] == "serving"


def test_they_are_not_among_the_applications_connections(site: Site, connect: Connect) -> None:
    watcher = watch(site, connect)
    assert told(watcher)["connections"]["now"] == 0
    assert not site.server.users
    assert site.fws.disconnect(subject="admin") == 0


def test_messages_of_watchers_are_ignored(site: Site, connect: Connect) -> None:
    token = site.token("ada", scope="status", ttl=60)
    watcher = watch(site, connect, f"Authorization: {bearer(token)}")
    told(watcher)
    (connection,) = site.server.node.side_nodes[LIVE].open_connections()
    assert isinstance(connection, Connection)
    watcher.send(f"token:{site.token('ada', ttl=3600)}")
    watcher.send("token:rubbish")
    watcher.raw(frame(9, b"done"))
    assert other(watcher) == (0x8A, b"done")
    assert connection.token == site.fws.tokens.verify(token)


def test_a_revoked_token_closes_its_watcher(site: Site, connect: Connect) -> None:
    token = site.token("ada", scope="status")
    watcher = watch(site, connect, f"Authorization: {bearer(token)}")
    told(watcher)
    site.fws.revoke(token=token)
    assert other(watcher).close == (4401, "the token was revoked")


def test_an_expired_token_closes_its_watcher(site: Site, connect: Connect) -> None:
    token = site.token("ada", scope="status", ttl=10)
    watcher = watch(site, connect, f"Authorization: {bearer(token)}")
    told(watcher)
    site.clock.advance(12)
    assert other(watcher).close == (4401, "the token has expired")


def test_a_log_out_closes_only_its_own_watchers(site: Site, connect: Connect) -> None:
    first, second = (f"Cookie: fws_status={log_in(site)}" for _ in range(2))
    leaving, staying = watch(site, connect, first), watch(site, connect, second)
    told(leaving), told(staying)
    assert site.post("/fws/logout", Cookie=first.partition(" ")[2]).status == 303
    assert other(leaving).close == (4401, "the token was revoked")
    assert refused(site, first).status == 401
    look(site)
    assert told(staying)["state"] == "serving"


def test_a_watcher_ends_with_the_token_of_its_cookie(site: Site, connect: Connect) -> None:
    revoked, of_subject = site.token("ada", scope="status"), site.token("bob", scope="status")
    watchers = [
        watch(site, connect, f"Cookie: fws_status={log_in(site, token)}")
        for token in (revoked, of_subject)
    ]
    for watcher in watchers:
        told(watcher)
    site.fws.revoke(token=revoked)
    assert other(watchers[0]).close == (4401, "the token was revoked")
    site.fws.revoke(subject="bob")
    assert other(watchers[1]).close == (4401, "the token was revoked")
    short = site.token("ada", scope="status", ttl=10)
    watcher = watch(site, connect, f"Cookie: fws_status={log_in(site, short)}")
    told(watcher)
    site.clock.advance(12)
    assert other(watcher).close == (4401, "the token has expired")


def test_its_cookie_is_found_among_others(site: Site, connect: Connect) -> None:
    made = log_in(site)
    for header in (
        f"Cookie: bad[name]=x; fws_status={made}",
        f'Cookie: a="b;c"; \xff=\xff; fws_status={made}; fws_status=other',
        f"Cookie: a=b\r\nCookie: fws_status={made}",
    ):
        assert told(watch(site, connect, header))["state"] == "serving"
    for header in (
        f"fws_statuss={made}",
        f"x=fws_status={made}",
        f"fws_status=x; fws_status={made}",
    ):
        assert refused(site, f"Cookie: {header}").status == 401
        assert site.get("/fws/status?format=json", Cookie=header).status == 401


@pytest.mark.parametrize("subject", ["admin", "ada"])
def test_a_cookie_has_no_subject(subject: str, site: Site, connect: Connect) -> None:
    watcher = watch(site, connect)
    told(watcher)
    site.fws.revoke(subject=subject)
    look(site)
    assert told(watcher)["state"] == "serving"


def test_the_number_of_watchers_is_limited(
    make_site: MakeSite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_WATCHERS", 1)
    site = make_site()
    told(watch(site, connect))
    cookie = f"Cookie: fws_status={log_in(site)}"
    assert refused(site, cookie).status == 503
    site.dial(connect, site.token())  # the application's own have their own limit


def test_it_ends_with_the_server(site: Site, connect: Connect) -> None:
    watcher = watch(site, connect)
    told(watcher)
    stopping = gevent.spawn(site.server.stop)
    assert other(watcher).close == (1001, "the server is shutting down")
    watcher.close(1001)
    stopping.get(timeout=10)
