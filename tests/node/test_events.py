"""Events in the contexts of the application, and failures of its own code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from fws_gevent.extension import FilteredWebSocket
from fws_gevent.filters.base import (
    WebSocketConnectFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from fws_gevent.node.events import Contexts
from tests.conftest import Connect, Serve
from tests.flask_sites import flask_app, serving
from tests.waiting import until

from ..node.guarded import bearer

run = pytest.fixture(serving)
Run = Callable[[Flask], Any]
SECRET = "k" * 32
FAILED = (1011, "the application failed")


class Books:
    """Notes the events of connections."""

    def __init__(self) -> None:
        self.events: list[str] = []

        def note(name: str) -> classmethod[Any, Any, None]:
            def write(cls: Any, web_socket_instance: Any, data: Any = None) -> None:
                self.events.append(name)

            return classmethod(write)

        self.filters = [
            type(base.__name__, (base,), {"filter": note(name), "__module__": __name__})
            for base, name in (
                (WebSocketConnectFilter, "connect"),
                (WebSocketMessageFilter, "message"),
                (WebSocketDisconnectFilter, "disconnect"),
            )
        ]


@pytest.fixture
def books() -> Books:
    return Books()


class Away(SecureCookieSessionInterface):
    """A session store that fails for the WebSocket's request."""

    def open_session(self, app: Flask, request: Any) -> Any:
        if request.path == "/ws":
            raise ConnectionError("the session store is away")
        return super().open_session(app, request)


def site(books: Books, **settings: Any) -> Flask:
    app = flask_app(**settings)
    FilteredWebSocket(app, filters=books.filters)
    return app


@pytest.mark.parametrize("auth", ["off", "required"])
def test_a_session_that_cannot_be_opened_closes_with_1011_and_no_event_is_told(
    auth: str, run: Run, connect: Connect, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    app = site(books, auth=auth, signing_key=SECRET)
    app.session_interface = Away()
    server = run(app)
    headers = [] if auth == "off" else bearer(server.tokens.issue("ada"))
    client = connect(server, "/ws", headers=headers)
    client.send("not heard")
    assert client.frame().close == FAILED
    client.close(1011)
    until(lambda: not server.live)
    assert books.events == []
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.name == "fws_gevent.filters"
    assert record.getMessage().startswith("the application failed around the connect filters of")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ConnectionError)


def test_a_teardown_that_fails_closes_with_1011_and_the_end_is_told(
    run: Run, connect: Connect, books: Books
) -> None:
    app = site(books)

    @app.teardown_request
    def fail(error: BaseException | None) -> None:
        raise RuntimeError("in the teardown")

    server = run(app)
    client = connect(server, "/ws")
    assert client.frame().close == FAILED
    client.close(1011)
    until(lambda: "disconnect" in books.events)
    assert books.events == ["connect", "disconnect"]


@pytest.mark.parametrize("error", [RuntimeError("x"), gevent.Timeout(1000)], ids=["usual", "stray"])
@pytest.mark.parametrize("where", ["before", "after"])
def test_the_context_of_connect_filters_may_raise_anything_and_others_go_on(
    where: str, error: BaseException, serve: Serve, connect: Connect, books: Books
) -> None:
    @contextmanager
    def around(environ: dict[str, Any]) -> Iterator[None]:
        bad = environ["PATH_INFO"] == "/bad"
        if bad and where == "before":
            raise error
        yield
        if bad:
            raise error

    server = serve(books.filters, {"contexts": Contexts(around)})
    assert connect(server, "/bad").frame().close == FAILED
    good = connect(server, "/good")
    good.send("heard")
    until(lambda: "message" in books.events)
