"""The shutdown of our own server before a restart: accepted clients are not refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from fws_gevent import server as servers
from fws_gevent.errors import CloseCode
from fws_gevent.server import FilteredWebSocketServer

from .clients import PATIENCE, frame, upgrade
from .conftest import Connect, Serve
from .gunicorns import read_until
from .raw_http import open_socket, parse, read_to_end, request
from .waiting import until


def wait_for_go(asked: list[str], go_on: Event) -> Any:
    def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        go_on.wait()
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    return page


def restart(
    server: FilteredWebSocketServer, code: CloseCode = CloseCode.SERVICE_RESTART
) -> gevent.Greenlet[..., Any]:
    """Close a server as a reload does; return the greenlet that waits for that."""
    stopping = gevent.spawn(server.stop, code=code)
    until(lambda: server.node.draining)
    return stopping


RESTARTING = b"\x88\x1a\x03\xf4the server is restarting"


def test_an_accepted_client_that_upgrades_during_a_restart_gets_1012(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_FIRST_REQUEST", PATIENCE)
    server = serve(grace=PATIENCE)
    with open_socket(server) as late:
        until(lambda: server.http["new"])
        stopping = restart(server)
        late.sendall(upgrade(80))
        assert read_until(late, RESTARTING).startswith(b"HTTP/1.1 101 ")
        gevent.sleep(0.05)
        assert not stopping.ready()  # it waits for the answer
        late.sendall(frame(8, b"\x03\xf4"))
        assert late.recv(1) == b""
        stopping.get(timeout=PATIENCE)
    assert server.live == 0


def test_it_gets_1012_immediately_while_others_are_still_connected(
    serve: Serve, connect: Connect
) -> None:
    server = serve(grace=2 * PATIENCE, close_timeout=2 * PATIENCE)
    with open_socket(server) as late:
        until(lambda: server.http["new"])
        mute = connect(server)
        until(lambda: server.live)
        stopping = restart(server)
        late.sendall(upgrade(80))
        assert read_until(late, RESTARTING).startswith(b"HTTP/1.1 101 ")
        assert not stopping.ready()
        mute.drop()
    stopping.get(timeout=PATIENCE)


@pytest.mark.parametrize("code", [CloseCode.SERVICE_RESTART, CloseCode.GOING_AWAY])
def test_a_request_in_progress_is_completed(code: CloseCode, serve: Serve) -> None:
    asked: list[str] = []
    go_on = Event()
    server = serve(extra={"application": wait_for_go(asked, go_on)}, grace=PATIENCE)
    with open_socket(server) as client:
        client.sendall(request("GET /page HTTP/1.1"))
        until(lambda: asked)
        stopping = restart(server, code)
        gevent.sleep(0.05)
        assert not stopping.ready()
        go_on.set()
        (answer,) = parse(read_to_end(client))
        stopping.get(timeout=PATIENCE)
    assert (answer.status, answer.body) == (200, b"done")
    assert answer.headers["connection"] == "close"


def test_idle_and_silent_clients_delay_nothing(serve: Serve) -> None:
    server = serve(grace=1000.0, request_timeout=1000.0)
    with open_socket(server) as idle, open_socket(server) as silent:
        idle.sendall(request())
        assert idle.recv(1 << 16).startswith(b"HTTP/1.1 426 ")
        until(lambda: server.http == {"new": 1, "busy": 0, "idle": 1})
        restart(server).get(timeout=PATIENCE)
        silent.close()
        idle.close()
        until(lambda: not any(server.http.values()))


def test_a_client_that_connects_after_the_last_has_left_has_time_too(serve: Serve) -> None:
    server = serve(grace=PATIENCE)
    server.node.admission.limits.add("192.0.2.1")
    stopping = restart(server, CloseCode.GOING_AWAY)
    gevent.sleep(0.01)
    server.node.admission.limits.remove("192.0.2.1")
    server.node.shutdown.note_end()
    server.node.admission.limits.add("192.0.2.2")
    gevent.sleep(0.05)
    assert not stopping.ready()
    server.node.admission.limits.remove("192.0.2.2")
    server.node.shutdown.note_end()
    stopping.get(timeout=PATIENCE)
