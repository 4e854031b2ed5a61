"""The peer of a request's socket."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent.protocol.peer import PEER, SocketPeer, peer_of


def test_the_peer_is_the_one_of_the_entry_point_not_that_of_middleware() -> None:
    peer = SocketPeer("192.0.2.1", 4000, "http")
    environ = {PEER: peer, "REMOTE_ADDR": "203.0.113.9", "wsgi.url_scheme": "https"}
    assert peer_of(environ) is peer


@pytest.mark.parametrize(
    ("environ", "peer"),
    [
        ({}, ("", 0, "http")),
        ({"REMOTE_ADDR": None, "REMOTE_PORT": None}, ("", 0, "http")),
        ({"REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "80"}, ("192.0.2.1", 80, "http")),
        ({"REMOTE_ADDR": "::ffff:192.0.2.1", "REMOTE_PORT": 80}, ("192.0.2.1", 80, "http")),
        ({"REMOTE_PORT": "x", "wsgi.url_scheme": "https"}, ("", 0, "https")),
    ],
)
def test_without_it_the_environ_tells(environ: dict[str, Any], peer: tuple[str, int, str]) -> None:
    assert peer_of(environ) == peer
