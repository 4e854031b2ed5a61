"""Tokens and tickets in upgrade requests, and the signing key."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.node.node import Node
from fws_gevent.protocol.addresses import is_loopback
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.settings import Settings
from fws_gevent.startup.node import settle_keys
from tests.clients import PATIENCE, frame, upgrade
from tests.conftest import Connect, Serve
from tests.raw_http import Answer, exchange
from tests.tokens.issuing import OTHER_SECRET, SECRET, issued_elsewhere, payload
from tests.waiting import until

from .guarded import Script, bearer, greeted, guard_of, guarded, of, offer

Carry = Callable[[FilteredWebSocketServer], tuple[str, list[str]]]


def _in_header(server: FilteredWebSocketServer) -> tuple[str, list[str]]:
    return "/", bearer(server.tokens.issue("ada", ["room:*"]))


def _in_subprotocol(server: FilteredWebSocketServer) -> tuple[str, list[str]]:
    return "/", offer(server.tokens.issue("ada", ["room:*"]))


def _in_ticket(server: FilteredWebSocketServer) -> tuple[str, list[str]]:
    return f"/?ticket={ticket(server)}", []


PLACES = [_in_header, _in_subprotocol, _in_ticket]


def ticket(server: FilteredWebSocketServer) -> str:
    tokens = server.tokens
    return tokens.issue_ticket(tokens.verify(tokens.issue("ada", ["room:*"])))


def ask(server: FilteredWebSocketServer, path: str, headers: list[str]) -> Answer:
    """Return the answer to a request that is refused."""
    assert server.server_port
    (answer,) = exchange(server, upgrade(server.server_port, path, headers))
    return answer


@pytest.mark.parametrize("auth", ["optional", "required"])
@pytest.mark.parametrize("carry", PLACES)
def test_a_token_opens_a_connection_from_wherever_it_comes(
    carry: Carry, auth: str, serve: Serve, connect: Connect
) -> None:
    server = guarded(serve, auth=auth)
    path, headers = carry(server)
    client = greeted(connect(server, path, headers=headers))
    client.send("who")
    assert client.receive() == "ada"
    connection = of(server, client)
    assert connection.id in server.users
    assert connection.token.groups == ("room:*",)
    assert connection.groups == {"subject:ada"}
    assert dict(server.groups["subject:ada"]) == {connection.id: connection}


@pytest.mark.parametrize("carry", PLACES)
def test_bytes_behind_a_request_with_a_token_are_the_first_message(
    carry: Carry, serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    path, headers = carry(server)
    client = connect(server, path, headers=headers, early=frame(1, b"who"))
    assert client.receive() == "ada"


@pytest.mark.parametrize(
    ("subprotocols", "offered", "answered"),
    [((), (), "fws"), (("chat",), (), "fws"), (("chat",), ("chat",), "chat")],
)
def test_the_answer_names_a_subprotocol_and_never_the_token(
    subprotocols: tuple[str, ...],
    offered: tuple[str, ...],
    answered: str,
    serve: Serve,
    connect: Connect,
) -> None:
    server = guarded(serve, subprotocols=subprotocols)
    token = server.tokens.issue("ada")
    client = greeted(connect(server, headers=offer(token, *offered)))
    assert client.header("Sec-WebSocket-Protocol") == answered
    assert token not in client.answer
    assert of(server, client).subprotocol == answered


def test_a_token_that_comes_without_fws_is_taken_and_nothing_is_echoed(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    token = server.tokens.issue("ada")
    client = connect(server, headers=[f"Sec-WebSocket-Protocol: fws.bearer.{token}"])
    assert client.header("Sec-WebSocket-Protocol") is None
    client.send("who")
    assert client.receive() == "ada"


def test_fws_is_agreed_on_without_a_token_too(serve: Serve, connect: Connect) -> None:
    client = connect(guarded(serve), headers=["Sec-WebSocket-Protocol: fws"])
    assert client.header("Sec-WebSocket-Protocol") == "fws"


@pytest.mark.parametrize("auth", ["optional", "required"])
def test_more_than_one_token_or_ticket_is_refused_with_400(auth: str, serve: Serve) -> None:
    server = guarded(serve, auth=auth)
    token = server.tokens.issue("ada")
    one, two = ticket(server), ticket(server)
    for path, headers in (
        ("/", bearer(token) + offer(token)),
        ("/", bearer(token) * 2),
        (f"/?ticket={one}", bearer(token)),
        (f"/?ticket={one}&ticket={two}", []),
        ("/", [f"Sec-WebSocket-Protocol: fws.bearer.{token}, fws.bearer.{token}"]),
    ):
        answer = ask(server, path, headers)
        assert answer.status == 400
        assert token.encode() not in answer.body
    assert server.tokens.redeem(one).subject == "ada"
    assert server.live == 0


@pytest.mark.parametrize("auth", ["optional", "required"])
def test_a_token_that_is_not_valid_is_refused_before_the_upgrade(auth: str, serve: Serve) -> None:
    server = guarded(serve, auth=auth)
    used = ticket(server)
    server.tokens.redeem(used)
    revoked = server.tokens.issue("ada")
    server.tokens.revoke(server.tokens.verify(revoked))
    expired = issued_elsewhere(payload(exp=1), SECRET)
    forged = issued_elsewhere(payload(), OTHER_SECRET)
    for path, headers, why in (
        ("/", bearer("x"), "malformed"),
        ("/", offer("x.y.z"), "malformed"),
        ("/", bearer(expired), "expired"),
        ("/", offer(forged), "signature"),
        ("/", bearer(revoked), "revoked"),
        (f"/?ticket={used}", [], "ticket"),
        ("/?ticket=x", [], "ticket"),
    ):
        answer = ask(server, path, headers)
        assert answer.status == 401
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="fws", error="invalid_token", ')
        assert why in challenge
        assert why.encode() in answer.body
        assert expired.encode() not in answer.body
    assert server.live == 0
    assert not guard_of(server).pending


def test_a_ticket_is_good_for_one_connection(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    path = f"/?ticket={ticket(server)}"
    greeted(connect(server, path))
    assert ask(server, path, []).status == 401


def test_a_ticket_is_not_used_up_by_a_request_that_is_refused_for_another_reason(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve, path="/ws", max_connections=1)
    mine = ticket(server)
    for path, headers, status in (
        ("/ws", ["Origin: https://other.example"], 403),
        ("/ws", ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400),
        ("/elsewhere", [], 404),
    ):
        assert ask(server, f"{path}?ticket={mine}", headers).status == status
    other = greeted(connect(server, f"/ws?ticket={ticket(server)}"))
    assert ask(server, f"/ws?ticket={mine}", []).status == 503
    other.close()
    assert other.frame().close[0] == 1000
    until(lambda: not server.live)
    client = connect(server, f"/ws?ticket={mine}")
    client.send("who")
    assert client.receive() == "ada"


def test_authorization_of_another_scheme_is_none_of_ours(serve: Serve, connect: Connect) -> None:
    server = guarded(serve, auth="optional")
    client = connect(server, headers=["Authorization: Basic YWRhOng="])
    client.send("who")
    assert client.receive() == "nobody"


def test_with_auth_off_tokens_are_ignored(serve: Serve, connect: Connect) -> None:
    server = serve(path=None, signing_key=SECRET)
    client = greeted(connect(server, "/?ticket=x&ticket=y", headers=bearer("x") + offer("y")))
    assert of(server, client).token is None
    assert server.tokens.counts["refused"] == 0


# The keys.


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "unix:/tmp/x"])
@pytest.mark.parametrize("auth", ["optional", "required"])
def test_without_a_key_one_is_made_for_the_run_where_only_this_machine_comes_in(
    auth: str, host: str
) -> None:
    settings = Settings(auth=auth)
    one, other = Node(settings), Node(settings)
    for node in (one, other):
        settle_keys(node, alone=is_loopback(host))
    token = one.tokens.issue("ada")
    assert one.tokens.verify(token).subject == "ada"
    assert other.tokens.peek(token) is None
    assert one.tokens.keys is not None
    assert not one.tokens.keys.lasting


def test_a_server_on_loopback_or_a_socket_file_takes_the_tokens_of_this_run(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    server = serve([Script], auth="required")
    client = connect(server, headers=bearer(server.tokens.issue("ada")))
    client.send("who")
    assert client.receive() == "ada"
    beside = serve([Script], auth="required", host=f"unix:{tmp_path / 'socket'}")
    with socket.socket(socket.AF_UNIX) as bare:
        bare.settimeout(PATIENCE)
        bare.connect(str(tmp_path / "socket"))
        token = beside.tokens.issue("ada")
        bare.sendall(upgrade(80, headers=bearer(token)) + frame(1, b"who"))
        received = b""
        while not received.endswith(b"\x81\x03ada"):
            received += bare.recv(1000) or pytest.fail(f"{received!r}")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "example.org"])
def test_without_a_key_a_server_for_others_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^auth required needs .*FWS_SIGNING_KEY") as told:
        FilteredWebSocketServer(Settings(auth="required", host=host, port=0))
    assert "\n" not in str(told.value)


def test_a_key_that_is_given_is_kept_wherever_it_listens() -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        settings = Settings(auth="required", host=host, port=0, signing_key=SECRET)
        server = FilteredWebSocketServer(settings)
        assert server.tokens.keys is not None
        assert server.tokens.keys.lasting


def test_with_auth_off_no_key_is_made() -> None:
    server = FilteredWebSocketServer(Settings(host="0.0.0.0", port=0))
    assert server.tokens.keys is None
    assert server.node.guard is None


def test_the_flag_token_does_not_go_with_auth() -> None:
    for auth in ("optional", "required"):
        with pytest.raises(ConfigurationError, match="-token names a group"):
            Settings(auth=auth, token="lobby", signing_key=SECRET)
