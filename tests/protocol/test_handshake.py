"""The opening handshake: requests in, answers and refusals out."""

from __future__ import annotations

import pytest

from fws_gevent.errors import CloseCode, HandshakeRefused, OriginRefused
from fws_gevent.protocol.deflate import Deflate
from fws_gevent.protocol.handshake import (
    Accepted,
    Headers,
    Policy,
    Request,
    accept_key,
    mentions_websocket,
    negotiate,
    wants_websocket,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

UPGRADE = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(
    *more: tuple[str, str], method: str = "GET", version: str = "HTTP/1.1", without: str = ""
) -> Request:
    """Return a valid upgrade request with `more` fields beside or instead of the usual ones."""
    replaced = {name.lower() for name, _ in more} | {without}
    usual = [(name, value) for name, value in UPGRADE.items() if name.lower() not in replaced]
    return Request(method, "/", version, Headers([*usual, *more]))


def test_the_key_of_the_rfc_gives_the_accept_of_the_rfc() -> None:
    assert accept_key(KEY) == ACCEPT


def test_a_good_request_is_granted_with_the_fields_of_the_rfc_alone() -> None:
    fields = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
    )
    assert negotiate(request(), Policy()) == Accepted(fields, None, None)


REFUSED: list[tuple[str, Request]] = [
    ("405", request(method="POST")),
    ("405", request(method="HEAD")),
    ("405", request(method="get")),
    ("400", request(version="HTTP/1.0")),
    ("426", request(without="sec-websocket-version")),
    ("426", request(("Sec-WebSocket-Version", "8"))),
    ("426", request(("Sec-WebSocket-Version", "14"))),
    ("426", request(("Sec-WebSocket-Version", "13, 8"))),
    ("426", request(("Sec-WebSocket-Version", ""))),
    ("400", request(without="sec-websocket-key")),
    ("400", request(("Sec-WebSocket-Key", ""))),
    ("400", request(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"))),
    ("400", request(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"))),
    ("400", request(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZR=="))),
    ("400", request(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZWVl"))),
    ("400", request(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25 ZQ=="))),
    ("400", request(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub2éjZQ=="))),
    ("400", request(("Content-Length", "5"))),
    ("400", request(("Transfer-Encoding", "chunked"))),
    ("403", request(("Origin", "http://evil.example"))),
    ("403", request(("Origin", "null"))),
    ("403", request(("Origin", ""))),
    ("403", request(("Origin", "http://example.com"), without="host")),
    ("400", request(("Sec-WebSocket-Protocol", "a b"))),
    ("400", request(("Sec-WebSocket-Protocol", "a/b"))),
    ("400", request(("Sec-WebSocket-Protocol", "a, b, a"))),
    ("400", request(("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "a"))),
    ("400", request(("Sec-WebSocket-Extensions", "permessage-deflate;"))),
]


@pytest.mark.parametrize(("status", "refused"), REFUSED)
def test_a_wrong_request_is_refused_with_its_status_and_a_reason(
    status: str, refused: Request
) -> None:
    with pytest.raises(HandshakeRefused) as caught:
        negotiate(refused, Policy())
    assert caught.value.status.split(" ")[0] == status
    assert str(caught.value)
    assert "\n" not in str(caught.value)
    if status == "405":
        assert caught.value.headers == (("Allow", "GET"),)
    if status == "426":
        assert set(caught.value.headers) == {
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
        }


@pytest.mark.parametrize(
    "granted",
    [
        request(("Content-Length", "0")),
        request(("Origin", "http://example.com")),
        request(("Origin", "HTTPS://Example.com:443")),
        request(("Cookie", "a=b"), ("User-Agent", "x")),
        request(("sec-websocket-key", KEY), ("SEC-WEBSOCKET-VERSION", "13")),
        request(("Sec-WebSocket-Extensions", "x-unknown; a=1")),
        request(("Sec-WebSocket-Extensions", "permessage-deflate; unknown")),
        request(("Sec-WebSocket-Protocol", "unknown, other")),
        request(without="host"),
    ],
)
def test_harmless_headers_do_not_prevent_an_upgrade(granted: Request) -> None:
    accepted = negotiate(granted, Policy())
    assert accepted.subprotocol is None
    assert accepted.deflate is None
    assert dict(accepted.headers)["Sec-WebSocket-Accept"] == ACCEPT
    assert len(accepted.headers) == 3


def test_a_refused_origin_says_how_to_allow_it() -> None:
    with pytest.raises(OriginRefused, match="--allowed_origins") as caught:
        negotiate(request(("Origin", "http://evil.example")), Policy())
    assert caught.value.close_code is CloseCode.FORBIDDEN


def test_a_listed_origin_is_granted() -> None:
    policy = Policy(allowed_origins=("https://app.example",))
    assert negotiate(request(("Origin", "https://app.example")), policy)


def test_an_origin_is_compared_with_the_host_that_a_proxy_sent() -> None:
    asked = request(("Origin", "https://app.example"))
    assert negotiate(asked, Policy(), host="app.example")
    with pytest.raises(OriginRefused):
        negotiate(request(("Origin", "http://example.com")), Policy(), host="app.example")


@pytest.mark.parametrize(
    ("offered", "known", "chosen"),
    [
        (["a"], ("a",), "a"),
        (["b, a"], ("a", "b"), "a"),
        (["b", "a"], ("a", "b"), "a"),
        (["b"], ("a", "b"), "b"),
        (["A"], ("a",), None),
        (["c"], ("a", "b"), None),
        (["a"], (), None),
        ([], ("a",), None),
        ([""], ("a",), None),
        # RFC 9110 §5.6.1.2: empty members of a list are to be ignored.
        (["a,"], ("a",), "a"),
        (["", "a"], ("a",), "a"),
    ],
)
def test_the_subprotocol_is_the_servers_first_that_the_client_offers(
    offered: list[str], known: tuple[str, ...], chosen: str | None
) -> None:
    asked = request(*(("Sec-WebSocket-Protocol", value) for value in offered))
    accepted = negotiate(asked, Policy(subprotocols=known))
    assert accepted.subprotocol == chosen
    assert dict(accepted.headers).get("Sec-WebSocket-Protocol") == chosen


def test_deflate_is_answered_when_offered_even_in_a_second_field() -> None:
    asked = request(
        ("Sec-WebSocket-Extensions", "x-unknown"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10"),
    )
    accepted = negotiate(asked, Policy())
    assert accepted.deflate == Deflate(9, True)
    assert dict(accepted.headers)["Sec-WebSocket-Extensions"] == accepted.deflate.header


def test_deflate_is_not_answered_when_the_server_has_it_off() -> None:
    asked = request(("Sec-WebSocket-Extensions", "permessage-deflate"))
    accepted = negotiate(asked, Policy(deflate=False))
    assert accepted.deflate is None
    assert "Sec-WebSocket-Extensions" not in dict(accepted.headers)


@pytest.mark.parametrize(
    ("upgrade", "connection", "wants"),
    [
        (["websocket"], ["Upgrade"], True),
        (["WebSocket"], ["keep-alive, UPGRADE"], True),
        (["h2c, websocket"], ["keep-alive", "upgrade"], True),
        (["websocket"], ["keep-alive"], False),
        (["websocket2"], ["Upgrade"], False),
        (["h2c"], ["Upgrade"], False),
        ([], ["Upgrade"], False),
        (["websocket"], [], False),
    ],
)
def test_a_client_wants_a_websocket_if_both_fields_say_so(
    upgrade: list[str], connection: list[str], wants: bool
) -> None:
    fields = [("upgrade", value) for value in upgrade]
    fields += [("CONNECTION", value) for value in connection]
    assert wants_websocket(Headers(fields)) is wants


@pytest.mark.parametrize(
    ("fields", "means"),
    [
        ([("Upgrade", "websocket")], True),
        ([("upgrade", "WebSocket/13, h2c")], True),
        ([("SEC-WEBSOCKET-KEY", "")], True),
        ([("Sec-WebSocket-Key1", "1")], True),
        ([("Upgrade", "h2c"), ("Connection", "Upgrade")], False),
        ([("X-Sec-WebSocket-Key", "websocket")], False),
        ([], False),
    ],
)
def test_a_client_means_a_websocket_if_anything_says_so(
    fields: list[tuple[str, str]], means: bool
) -> None:
    assert mentions_websocket(Headers(fields)) is means
