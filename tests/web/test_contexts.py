"""Filters run in the context of their Flask application, which is torn down after each event."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from flask import Flask, appcontext_popped, appcontext_pushed, current_app, g, request, url_for
from flask.globals import app_ctx
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.pool import StaticPool

from fws_gevent import signals
from fws_gevent.connection.connection import Connection
from fws_gevent.extension import FilteredWebSocket
from fws_gevent.filters.base import (
    FilterBase,
    WebSocketConnectFilter,
    WebSocketConsumerFilter,
    WebSocketDataFilter,
    WebSocketDisconnectFilter,
    WebSocketGapFilter,
    WebSocketMessageFilter,
)
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.web.contexts import EventContext
from tests.conftest import Connect, Serve
from tests.flask_sites import Make, flask_app, serving
from tests.waiting import until

run = pytest.fixture(serving)

CHAINS: dict[str, type[FilterBase]] = {
    "connect": WebSocketConnectFilter,
    "data": WebSocketDataFilter,
    "message": WebSocketMessageFilter,
    "disconnect": WebSocketDisconnectFilter,
    "consumer": WebSocketConsumerFilter,
    "gap": WebSocketGapFilter,
}


def filter_of(
    base: type[FilterBase], function: Callable[[Any, Any], Any], **attributes: Any
) -> type[FilterBase]:
    """Define a filter with `function`."""

    def call(cls: Any, web_socket_instance: Any, data: Any) -> None:
        function(web_socket_instance, data)

    meta: Any = type(base)
    made: type[FilterBase] = meta("Made", (base,), {"filter": classmethod(call), **attributes})
    return made


def site(run: Make, app: Flask, filters: list[type[FilterBase]]) -> FilteredWebSocketServer:
    """Return the server of an application with the extension."""
    FilteredWebSocket(app, filters=filters)
    return run(app)


@pytest.mark.parametrize("offload", [False, True])
def test_each_chain_finds_the_application_and_is_torn_down(
    run: Make, connect: Connect, offload: bool
) -> None:
    found: dict[str, Any] = {}
    ended: list[Any] = []
    app = flask_app("shop")

    def note(name: str) -> Callable[[Any, Any], None]:
        def look(instance: Any, data: Any) -> None:
            g.name = name
            found[name] = current_app.name, current_app.config["SECRET_KEY"]

        return look

    app.teardown_appcontext(lambda error: ended.append((g.get("name"), error)))
    filters = [filter_of(base, note(name), offload=offload) for name, base in CHAINS.items()]
    server = site(run, app, filters)
    client = connect(server, "/ws")
    client.send("hello")
    until(lambda: "message" in found)
    server.queue.put("event")
    server.node.events.gap_route.tell(server, {"group": None, "reason": "test"})
    client.close()
    until(lambda: len(found) == len(CHAINS))
    assert found == dict.fromkeys(CHAINS, ("shop", "for cookies"))
    until(lambda: {name for name, _ in ended} == set(CHAINS))
    assert {error for _, error in ended} == {None}


def test_subscribers_have_it_too(run: Make, connect: Connect) -> None:
    found: list[str] = []
    server = site(run, flask_app("shop"), [])

    def hear(server: Any, web_socket_instance: Any, data: Any) -> None:
        found.append(current_app.name)

    buses = (signals.message_received, signals.member_joined, signals.member_left)
    for bus in buses:
        bus.connect(hear, sender=server)
    client = connect(server, "/ws")
    client.send("hello")
    until(lambda: len(found) == 1)
    (connection,) = server.users.values()
    connection.join("room")
    connection.leave("room")
    until(lambda: len(found) == 3)
    for bus in buses:
        bus.disconnect(hear, sender=server)
    assert found == ["shop"] * 3


def test_connect_filters_have_the_request(run: Make, connect: Connect) -> None:
    found: list[str] = []
    look = filter_of(
        WebSocketConnectFilter, lambda ws, data: found.append(f"{request.path} {current_app.name}")
    )
    client = connect(site(run, flask_app("shop"), [look]), "/ws?a=b")
    until(lambda: found)
    assert found == ["/ws shop"]
    client.drop()


def test_an_unused_context_is_not_made(run: Make, connect: Connect) -> None:
    pushed: list[Any] = []
    app = flask_app()
    echo = filter_of(WebSocketMessageFilter, lambda ws, data: ws.send(data))
    use = filter_of(WebSocketMessageFilter, lambda ws, data: data == "use" and current_app.name)
    server = site(run, app, [echo, use])
    note: Any = lambda sender, **_: pushed.append(sender)  # noqa: E731
    with appcontext_pushed.connected_to(note, app), appcontext_popped.connected_to(note, app):
        client = connect(server, "/ws")
        client.send("hello")
        assert client.receive() == "hello"
        assert pushed == []
        client.send("use")
        assert client.receive() == "use"
        until(lambda: len(pushed) == 2)


def test_each_event_has_its_own_context(run: Make, connect: Connect) -> None:
    def count(ws: Any, data: Any) -> None:
        g.count = g.get("count", 0) + 1
        gevent.sleep(0.01)
        ws.send(str(g.count))

    server = site(run, flask_app(), [filter_of(WebSocketMessageFilter, count)] * 2)
    clients = [connect(server, "/ws") for _ in range(3)]
    for client in clients:
        client.send("x")
        client.send("x")
    for client in clients:
        assert [client.receive() for _ in range(4)] == ["1", "2", "1", "2"]


def test_url_for_works_where_the_name_of_the_server_is_known(run: Make, connect: Connect) -> None:
    app = flask_app()
    app.config["SERVER_NAME"] = "shop.example"
    app.add_url_rule("/tea", "tea", lambda: "tea")
    link = filter_of(WebSocketMessageFilter, lambda ws, data: ws.send(url_for("tea")))
    client = connect(site(run, app, [link]), "/ws")
    client.send("x")
    assert client.receive() == "http://shop.example/tea"


@pytest.mark.parametrize("offload", [False, True])
def test_each_event_has_a_session_of_flask_sqlalchemy_that_is_returned(
    run: Make, connect: Connect, offload: bool
) -> None:
    app = flask_app()
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "poolclass": StaticPool, "connect_args": {"check_same_thread": False},
    }  # fmt: skip
    db = SQLAlchemy(app)
    sessions: list[Any] = []

    class Line(db.Model):  # type: ignore[name-defined,misc]
        id = db.Column(db.Integer, primary_key=True)
        text = db.Column(db.String)

    def store(ws: Any, data: Any) -> None:
        sessions.append(db.session())
        if data == "add":
            db.session.add(Line(text="never committed"))  # and nothing else touches the context
        else:
            ws.send(str(db.session.query(Line).count() + len(db.session.new)))

    with app.app_context():
        db.create_all()
    server = site(run, app, [filter_of(WebSocketMessageFilter, store, offload=offload)])
    one, two = connect(server, "/ws"), connect(server, "/ws")
    one.send("add")
    until(lambda: sessions)
    for client in (one, two, one):
        client.send("count")
        assert client.receive() == "0"
    assert len(set(map(id, sessions))) == 4
    with app.app_context():
        db.engine.dispose()


def test_a_teardown_that_raises_closes_that_connection_with_1011(
    run: Make, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    app = flask_app()

    @app.teardown_appcontext
    def fail(error: BaseException | None) -> None:
        if g.get("used"):
            raise ConnectionError("the database is away")

    def use(ws: Any, data: Any) -> None:
        g.used = data == "use"
        ws.send(data)

    server = site(run, app, [filter_of(WebSocketMessageFilter, use)])
    one, two = connect(server, "/ws"), connect(server, "/ws")
    one.send("use")
    assert one.receive() == "use"
    assert one.frame().close == (1011, "a filter failed")
    two.send("fine")
    assert two.receive() == "fine"
    assert "the application failed around the filters of" in caplog.text
    assert "the database is away" in caplog.text


def test_an_idle_connection_keeps_neither_context_nor_request(run: Make, connect: Connect) -> None:
    kept: list[weakref.ref[Any]] = []
    environs: list[int] = []

    def note(ws: Any, data: Any) -> None:
        kept.append(weakref.ref(app_ctx._get_current_object()))  # type: ignore[attr-defined]
        if isinstance(data, dict):
            kept.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]
            environs.append(id(data))
        assert current_app.name
        ws.send("noted")

    filters = [filter_of(base, note) for base in (WebSocketConnectFilter, WebSocketMessageFilter)]
    server = site(run, flask_app(), filters)
    client = connect(server, "/ws")
    assert client.receive() == "noted"
    client.send("x")
    assert client.receive() == "noted"
    until(lambda: not any(each.busy for each in server.users.values()))
    gc.collect()
    assert [ref() for ref in kept] == [None] * 3
    (connection,) = server.users.values()
    assert isinstance(connection, Connection)
    assert len(connection.context) == 1


def test_outside_of_the_event_there_is_no_context() -> None:
    with EventContext(Flask("alone")):
        assert current_app.name == "alone"
    assert not current_app


def test_a_server_without_an_application_makes_no_context(serve: Serve, connect: Connect) -> None:
    look = filter_of(WebSocketMessageFilter, lambda ws, data: ws.send(str(bool(current_app))))
    server = serve([look])
    client = connect(server)
    client.send("x")
    assert client.receive() == "False"
    emit = (
        server.node.message_route.emit
    )  # the chain's, or the route's if there are other receivers
    assert emit is not None
    assert emit.__name__ != "emit_inside"
