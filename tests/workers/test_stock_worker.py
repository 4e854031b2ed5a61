"""gunicorn's stock worker while it ends: requests are answered, WebSockets refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.upgrade.refusals import only_websockets
from fws_gevent.workers.stock_worker import last_answers, pass_on

from ..clients import ROOT
from ..conftest import Connect, Start
from ..gunicorns import SLOW, STOCK, Running, read_until
from ..raw_http import parse, read_to_end, request

GOODBYE = (1001, "the server is shutting down")


def run(start: Start, home: Path, module: str, source: str, **environ: str) -> Running:
    """Start gunicorn with its stock worker; `source` is the module whose `app` it serves."""
    (home / f"{module}.py").write_text(source, "utf-8")
    path = os.pathsep.join((str(ROOT), str(home)))
    command = start(
        "-m", "gunicorn", "-k", STOCK, "-b", "127.0.0.1:0", "--graceful-timeout", "10",
        f"{module}:app",
        environ={"HOME": str(home), "PYTHONPATH": path, **environ},
    )  # fmt: skip
    port = int(command.wait_for(r"Listening at: http://127\.0\.0\.1:(\d+) ")[1])
    return Running(command, port, False)


def test_while_it_ends_requests_are_answered_and_no_connection_is_kept(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    source = SLOW.replace("while not", 'while environ["PATH_INFO"] == "/slow" and not')
    running = run(start, tmp_path, "slow", source, FWS_PATH="/ws", FWS_CLOSE_TIMEOUT="60")
    with running.open() as busy, running.open() as kept, running.open() as late:
        busy.sendall(request("GET /slow HTTP/1.1"))
        running.command.wait_for("asked")
        for each in (kept, late):
            each.sendall(request("GET /quick HTTP/1.1"))
            assert b"close" not in read_until(each, b"done")
        mute = connect(running.port, "/ws")
        running.command.signal(signal.SIGTERM)
        assert mute.frame().close == GOODBYE
        kept.sendall(request("GET /quick HTTP/1.1"))
        (answer,) = parse(read_to_end(kept))
        assert (answer.body, answer.headers["connection"]) == (b"done", "close")
        upgraded = connect(running.port, "/ws", on=late)
        assert upgraded.frame().close == GOODBYE
        (tmp_path / "slow.go").touch()
        (answer,) = parse(read_to_end(busy))
        assert (answer.status, answer.body) == (200, b"done")
        assert answer.headers["connection"] == "close"
        for client in (mute, upgraded):
            client.close(1001)
    assert running.command.wait() == 0


class FakeSocket:
    """gevent-websocket's object, as the application knows it."""

    closed = False


@pytest.mark.parametrize("closed", [True, False])
def test_a_websocket_that_the_application_served_is_left_to_it(closed: bool) -> None:
    ends: list[str] = []

    class Body:
        def __iter__(self) -> Any:
            return iter([b"x"])

        def close(self) -> None:
            ends.append("closed")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.websocket"].closed = closed
        start_response("404 Not Found" if closed else "200 OK", [])
        return Body()

    environ = {"wsgi.websocket": FakeSocket()}
    assert list(pass_on(application, environ, lambda status, headers, exc_info=None: None)) == [
        b"x"
    ]
    assert ends == ["closed"]


def test_last_answers_say_that_they_are_the_last() -> None:
    told: list[Any] = []

    def start_response(*arguments: Any) -> None:
        told.append(arguments)

    last_answers(start_response)("200 OK", [("connection", "keep-alive"), ("A", "b")])
    assert told == [("200 OK", [("A", "b"), ("Connection", "close")], None)]


def test_where_there_are_but_websockets_a_path_without_one_is_404_for_them_alone() -> None:
    told: list[str] = []
    asks = {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"}
    for environ in (asks, {}, {**asks, "SERVER_PROTOCOL": "HTTP/1.0"}):
        list(only_websockets(dict(environ), lambda status, headers: told.append(status[:3])))
    assert told == ["404", "426", "426"]
