"""gunicorn with gevent-websocket's stock worker, with tokens.

That worker answers the upgrade before it calls the application, so a refused client gets a code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .clients import ROOT, Client, Command, frame
from .conftest import Connect, Start
from .flask_sites import get
from .node.guarded import bearer, greeted, offer
from .raw_http import exchange
from .tokens.issuing import OTHER_SECRET, SECRET, issued_elsewhere, payload, service

WORKER = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"

SITES = {
    "flask_site": """\
from flask import Flask
from fws_gevent import FilteredWebSocket
import tell_who

app = Flask(__name__)
fws = FilteredWebSocket(app)

@app.get("/ticket")
def ticket():
    return fws.issue_ticket("ada")

@app.get("/")
def page():
    return "the page"
""",
    "plain_site": """\
from fws_gevent.application import build_application
import tell_who

def page(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/ticket":
        return [app.tokens.issue_ticket(app.tokens.verify(app.tokens.issue("ada"))).encode()]
    return [b"the page"]

app = build_application(page, path="/ws")
""",
    "tell_who": """\
from fws_gevent.filters.base import WebSocketMessageFilter

class Who(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "protocol?":
            web_socket_instance.send(str(web_socket_instance.subprotocol))
        else:
            web_socket_instance.send(web_socket_instance.token.subject)
""",
}


def arguments(home: Path, site: str, *more: str, worker: str = WORKER) -> list[str]:
    """Return the arguments that start gunicorn on a free port."""
    for name, source in SITES.items():
        (home / f"{name}.py").write_text(source)
    return ["-m", "gunicorn", "-k", worker, "-b", "127.0.0.1:0", "--graceful-timeout", "3",
            *more, f"{site}:app"]  # fmt: skip


def environ(home: Path, **settings: str) -> dict[str, str]:
    path = os.pathsep.join((str(ROOT), str(home)))
    return {"HOME": str(home), "PYTHONPATH": path, "FWS_AUTH": "required", **settings}


def listening(command: Command) -> int:
    """Return the port, once gunicorn answers."""
    port = int(command.wait_for(r"Listening at: https?://127\.0\.0\.1:(\d+) ")[1])
    assert [answer.status for answer in exchange(port, b"no request\r\n\r\n")] == [400]
    return port


@pytest.fixture(scope="module", params=["flask_site", "plain_site"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a gunicorn for all of these tests."""
    home = tmp_path_factory.mktemp("gunicorn")
    given = environ(home, FWS_SIGNING_KEY=SECRET)
    command = Command(*arguments(home, request.param), environ=given)
    try:
        yield listening(command)
    finally:
        command.end()


def who(client: Client, question: str = "who?") -> Any:
    client.send(question)
    return client.receive()


def test_a_token_opens_a_connection_in_each_way_of_sending_it(port: int, connect: Connect) -> None:
    token = service().issue("ada")
    assert who(connect(port, "/ws", headers=bearer(token))) == "ada"
    offered = connect(port, "/ws", headers=offer(token))
    assert offered.header("Sec-WebSocket-Protocol") == "fws"
    assert token not in offered.answer
    assert (who(offered), who(offered, "protocol?")) == ("ada", "fws")
    ticket = get(port, "/ticket").body
    assert who(connect(port, f"/ws?ticket={ticket}")) == "ada"
    early = connect(port, "/ws", early=frame(1, f"token:{token}".encode()) + frame(1, b"who?"))
    assert [early.receive(), early.receive()] == ["token:accepted", "ada"]


def test_a_token_that_is_not_valid_is_closed_with_4401_and_the_reason(
    port: int, connect: Connect
) -> None:
    ticket = get(port, "/ticket").body
    greeted(connect(port, f"/ws?ticket={ticket}"))
    for path, headers, reason in (
        ("/ws", bearer("x"), "the token is malformed"),
        ("/ws", offer("x.y.z"), "the token is malformed"),
        ("/ws", bearer(issued_elsewhere(payload(exp=1))), "the token has expired"),
        ("/ws", offer(issued_elsewhere(payload(), OTHER_SECRET)),
         "the token's signature doesn't fit"),
        (f"/ws?ticket={ticket}", [], "the ticket is unknown, used or expired"),
    ):  # fmt: skip
        client = connect(port, path, headers=headers)
        assert client.frame().close == (4401, reason)
        assert client.at_end()
    client = connect(port, "/ws")
    client.send("hello")
    assert client.frame().close[0] == 4401


def test_a_request_refused_for_another_reason_keeps_its_ticket(port: int, connect: Connect) -> None:
    ticket = get(port, "/ticket").body
    for path, headers, code in (
        ("/ws", ["Origin: https://other.example"], 4403),
        ("/ws", bearer("x"), 1008),
    ):
        client = connect(port, f"{path}?ticket={ticket}", headers=headers)
        assert client.frame().close[0] == code
    assert who(connect(port, f"/ws?ticket={ticket}")) == "ada"


def test_plain_http_is_handled_by_the_application(port: int) -> None:
    assert get(port, "/").body == "the page"


@pytest.mark.parametrize("site", ["flask_site", "plain_site"])
@pytest.mark.parametrize("more", [[], ["--preload"]])
def test_without_a_signing_key_gunicorn_ends_with_one_line(
    site: str, more: list[str], start: Start, tmp_path: Path
) -> None:
    command = start(*arguments(tmp_path, site, *more), environ=environ(tmp_path))
    assert command.wait() == 4
    told = [line for line in command.output.splitlines() if line.startswith("fws_gevent: ")]
    assert len(told) == 1, command.output
    assert told[0].startswith("fws_gevent: error: auth required needs a signing key: set FWS_")
    assert "Traceback" not in command.output
