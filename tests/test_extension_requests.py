"""The extension between a Flask application and its servers: which of them handles a request."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask, current_app, has_request_context, request, session

from fws_gevent.extension import FilteredWebSocket
from fws_gevent.filters.base import WebSocketConnectFilter
from fws_gevent.node.node import Node
from fws_gevent.server import build_server, default_parser
from fws_gevent.settings import Settings
from fws_gevent.startup.middleware import WebSocketMiddleware
from fws_gevent.web.site import with_pages

from .clients import frame, upgrade
from .conftest import Connect, Start
from .flask_sites import ask, flask_app, get, serving
from .node.guarded import Script, bearer, greeted
from .raw_http import exchange
from .tokens.issuing import SECRET

run = pytest.fixture(serving)


class Introduce(WebSocketConnectFilter):
    """Send Flask's view of the upgrade request."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        who = session.get("who", "nobody")
        token = web_socket_instance.token
        told = (current_app.name, request.path, who, token and token.subject)
        web_socket_instance.send(repr(told))


class Alone(WebSocketConnectFilter):
    """Send whether Flask has the upgrade request."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send("in a request" if has_request_context() else "alone")


def talkative(**settings: Any) -> Flask:
    """Return a site where /in/NAME logs in."""
    app = flask_app(**settings)
    FilteredWebSocket(app, filters=[Introduce, Script])

    @app.get("/in/<who>")
    def log_in(who: str) -> str:
        session["who"] = who
        return "in"

    return app


Run = Callable[[Flask], Any]


def test_connect_filters_have_the_session_and_the_application_of_their_request(
    run: Run, connect: Connect
) -> None:
    server = run(talkative())
    cookies = [get(server, f"/in/{name}").cookie for name in ("ada", "bob")]
    assert all(cookies)
    clients = [connect(server, "/ws", headers=[f"Cookie: {cookie}"]) for cookie in cookies]
    told = [client.receive() for client in (*clients, connect(server, "/ws"))]
    assert told == [repr(("site", "/ws", name, None)) for name in ("ada", "bob", "nobody")]
    forged = connect(server, "/ws", headers=["Cookie: session=x.y.z"])
    assert "'nobody'" in str(forged.receive())


def test_they_have_them_too_with_a_token_sent_as_a_message(run: Run, connect: Connect) -> None:
    app = talkative(auth="required", signing_key=SECRET)
    server = run(app)
    token = server.tokens.issue("ada")
    cookie = get(server, "/in/ada").cookie
    client = greeted(connect(server, "/ws", headers=[f"Cookie: {cookie}"]))
    client.send(f"token:{token}")
    assert client.receive() == "token:accepted"
    assert client.receive() == repr(("site", "/ws", "ada", "ada"))
    early = frame(1, f"token:{token}".encode())
    assert connect(server, "/ws", early=early).receive() == "token:accepted"


def test_two_connections_that_open_at_once_have_their_own(run: Run, connect: Connect) -> None:
    class Slow(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            before = request.args["name"]
            gevent.sleep(0.02)
            web_socket_instance.send(f"{before} {request.args['name']}")

    app = flask_app()
    FilteredWebSocket(app, filters=[Slow])
    server = run(app)
    clients = [connect(server, f"/ws?name={number}") for number in range(5)]
    assert [client.receive() for client in clients] == [f"{each} {each}" for each in range(5)]


def test_a_connect_filter_that_waits_off_the_loop_has_them(run: Run, connect: Connect) -> None:
    class Away(WebSocketConnectFilter):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send(f"{current_app.name} {request.path}")

    app = flask_app()
    FilteredWebSocket(app, filters=[Away])
    assert connect(run(app), "/ws").receive() == "site /ws"


# Paths.


@pytest.mark.parametrize("path", ["/ws", "/sockets"])
def test_websockets_are_at_their_path_and_nowhere_else(
    path: str, run: Run, connect: Connect
) -> None:
    app = talkative(**({} if path == "/ws" else {"path": path}))

    @app.get("/<name>")
    def page(name: str) -> str:
        return f"the page {name}"

    server = run(app)
    connect(server, path).receive()
    for other in ("/", "/other", f"{path}/", f"{path}/x", "/fws/status"):
        (answer,) = exchange(server, upgrade(server.server_port, other))
        assert answer.status in (400, 404), other  # the application's own answer, which is 404
    assert get(server, path).body == f"the page {path[1:]}"
    assert get(server, "/other").body == "the page other"
    assert get(server, "/fws/healthz").body == "ok\n"


def test_other_applications_are_served_beside_the_pages(connect: Connect) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"mine: {environ['PATH_INFO']}".encode()]

    for given, mine in ((application, (200, "mine: /x")), (None, (426, None))):
        settings = Namespace(port=0, auth="required", signing_key=SECRET)
        server = build_server(settings, application=given, filters=[Alone, Script])
        server.start()
        try:
            page = get(server, "/x")
            assert page.status == mine[0]
            assert mine[1] in (None, page.body)
            assert get(server, "/fws/healthz").body == "ok\n"
            assert get(server, "/fws/nothing").status == 404
            assert get(server, "/fwsx").status == mine[0]
            token = server.tokens.issue("ada", scope="status")
            shown = ask(server, "GET", "/fws/status?format=json", dict(
                [each.split(": ", 1) for each in bearer(token)]))  # fmt: skip
            assert '"auth":"required"' in shown.body.replace(" ", "")
            client = connect(server, "/anywhere", headers=bearer(token))
            client.send("who")
            assert [client.receive(), client.receive()] == ["alone", "ada"]
        finally:
            server.stop(0.2)


def test_a_server_that_never_starts_has_its_pages_too() -> None:
    dispatch, service = with_pages(lambda environ, start_response: [b"x"], Node(Settings()))
    assert service.snapshot()["connections"]["now"] == 0
    assert dispatch({"PATH_INFO": "/"}, lambda *_: print) == [b"x"]


# The middleware, which gunicorn and others find at `app.wsgi_app`.


def test_the_middleware_passes_everything_on_once_another_server_serves(run: Run) -> None:
    app = talkative()
    middleware: Any = app.wsgi_app
    assert isinstance(middleware, WebSocketMiddleware)
    node: Any = middleware._node
    server = run(app)
    get(server, "/in/ada")
    assert not node.node.reactor.started
    assert server.node.reactor.started


def test_so_it_does_for_an_application_that_was_wrapped_meanwhile(run: Run) -> None:
    app = flask_app()
    fws = FilteredWebSocket(app)
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: inner(environ, start_response)  # type: ignore[method-assign]
    under_gunicorn = fws.server
    server = run(app)
    assert get(server, "/fws/healthz").status == 200
    assert not under_gunicorn.reactor.started
    assert fws.server is server.node


def test_an_application_that_requires_tokens_is_never_served_without() -> None:
    app = flask_app(auth="required", signing_key="k" * 32, token_ttl=60)
    FilteredWebSocket(app)
    for options in (
        default_parser().parse_args(["-p", "0"]),
        default_parser(app).parse_args(["-p", "0"]),
        Namespace(port=0),
    ):
        settings = build_server(options, application=app).settings
        assert (settings.auth, settings.token_ttl, settings.path) == ("required", 60, "/ws")


def test_flags_override_the_config_of_the_application() -> None:
    app = flask_app(auth="required", signing_key="k" * 32, log_level="debug", port=1)
    FilteredWebSocket(app)
    flags = ["-p", "0", "--auth", "off", "--path", "/other", "--log_level", "info"]
    settings = build_server(default_parser(app).parse_args(flags), application=app).settings
    assert (settings.port, settings.auth) == (0, "off")
    assert (settings.path, settings.log_level) == ("/other", "info")


def test_flask_run_names_the_command_to_run_instead(start: Start, tmp_path: Path) -> None:
    (tmp_path / "site_of_mine.py").write_text(
        f"""\
from flask import Flask
from fws_gevent import FilteredWebSocket

app = Flask(__name__)
app.config.update(FWS_AUTH="optional", FWS_SIGNING_KEY="{SECRET}")
fws = FilteredWebSocket(app)

@fws.token_for_request
def who():
    return "ada"

@app.get("/")
def page():
    fws.broadcast("to nobody")
    return f"page, {{fws.disconnect(subject='ada')}}"
"""
    )
    command = start("-m", "flask", "--app", "site_of_mine", "run", "-p", "0", cwd=tmp_path)
    port = int(command.wait_for(r"Running on http://127\.0\.0\.1:(\d+)")[1])
    (answer,) = exchange(port, upgrade(port, "/ws"))
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert b"flask fws run" in answer.body
    assert b"fws_gevent.worker.FilteredWebSocketWorker" in answer.body
    command.wait_for(r" ERROR .*can't open WebSockets: run `flask fws run`")
    (elsewhere,) = exchange(port, upgrade(port, "/other"))
    assert elsewhere.status == 404
    assert get(port, "/").body == "page, 0"
    assert get(port, "/fws/healthz").body == "ok\n"
    made = ask(port, "POST", "/fws/token", {"Host": f"127.0.0.1:{port}"})
    assert made.status == 200
    assert re.search(r'"access_token": ?"[\w.-]+"', made.body)
    assert "Traceback" not in command.output
