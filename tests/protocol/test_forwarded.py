"""The client behind trusted proxies."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from fws_gevent.protocol.forwarded import Client, client_behind, parse_networks
from fws_gevent.protocol.handshake import Headers

NEAR, FAR, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.7"
TRUSTED = ("10.0.0.0/8",)

ADDRESSES = [
    # peer, trusted, X-Forwarded-For fields, address
    (CLIENT, (), ["1.1.1.1"], CLIENT),
    (CLIENT, TRUSTED, ["1.1.1.1"], CLIENT),
    (NEAR, TRUSTED, [], NEAR),
    (NEAR, TRUSTED, [""], NEAR),
    (NEAR, TRUSTED, [CLIENT], CLIENT),
    (NEAR, TRUSTED, [f"1.1.1.1, {CLIENT}"], CLIENT),
    (NEAR, TRUSTED, [f"1.1.1.1, {CLIENT}, {FAR}"], CLIENT),
    (NEAR, TRUSTED, [f"1.1.1.1,{CLIENT}", FAR], CLIENT),
    (NEAR, TRUSTED, [FAR], FAR),
    (NEAR, TRUSTED, [f"10.9.9.9, {FAR}"], "10.9.9.9"),
    (NEAR, TRUSTED, [f" {CLIENT} ,, {FAR} ,"], CLIENT),
    (NEAR, TRUSTED, [f"garbage, {CLIENT}"], CLIENT),
    (NEAR, TRUSTED, [f"garbage, {CLIENT}:80, {FAR}:81"], CLIENT),
    (NEAR, TRUSTED, [f'"{CLIENT}:50001"'], CLIENT),
    (NEAR, TRUSTED, ["[2001:db8::7]:50001"], "2001:db8::7"),
    (NEAR, TRUSTED, ["2001:DB8:0::7"], "2001:db8::7"),
    (NEAR, TRUSTED, [f"::ffff:{CLIENT}, ::ffff:{FAR}"], CLIENT),
    (f"::ffff:{NEAR}", TRUSTED, [CLIENT], CLIENT),
    (f"::FFFF:{NEAR}", TRUSTED, [], NEAR),
    (f"::ffff:{CLIENT}", TRUSTED, ["1.1.1.1"], CLIENT),
    ("fe80::1%eth0", ("fe80::/64",), [CLIENT], CLIENT),
    (NEAR, ("::ffff:10.0.0.0/104",), [CLIENT], CLIENT),
    (NEAR, ("unix", *TRUSTED), [f"{CLIENT}, unix:, {FAR}"], CLIENT),
    ("::1", TRUSTED, [CLIENT], "::1"),
    ("::1", ("::1",), [CLIENT], CLIENT),
    ("", TRUSTED, [CLIENT], ""),
    ("", ("unix",), [CLIENT], CLIENT),
    ("", ("unix",), [f"1.1.1.1, {CLIENT}, {FAR}"], FAR),
    ("", ("unix", *TRUSTED), [f"1.1.1.1, {CLIENT}, {FAR}"], CLIENT),
    (NEAR, ("unix",), [CLIENT], NEAR),
    ("garbage", TRUSTED, [CLIENT], "garbage"),
]


def headers(**fields: str) -> Headers:
    return Headers((name.replace("_", "-"), value) for name, value in fields.items())


@pytest.mark.parametrize(("peer", "trusted", "fields", "address"), ADDRESSES)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxys(
    peer: str, trusted: tuple[str, ...], fields: list[str], address: str
) -> None:
    given = Headers(("X-Forwarded-For", value) for value in fields)
    assert client_behind(peer, given, parse_networks(trusted)) == Client(address)


UNREADABLE = [
    # X-Forwarded-For, the last address that is known, the entry
    (f"{CLIENT}, garbage", NEAR, "garbage"),
    (f"{CLIENT}, garbage, {FAR}", FAR, "garbage"),
    (f"{CLIENT}, unix", NEAR, "unix"),
    (f"{CLIENT}, unknown", NEAR, "unknown"),
    (f"{CLIENT}, _hidden", NEAR, "_hidden"),
    (f"{CLIENT}, 203.0.113.300", NEAR, "203.0.113.300"),
]


@pytest.mark.parametrize(("forwarded", "address", "entry"), UNREADABLE)
def test_the_search_ends_at_an_entry_that_can_not_be_read_and_its_clients_are_not_one_address(
    forwarded: str, address: str, entry: str
) -> None:
    found = client_behind(NEAR, headers(X_Forwarded_For=forwarded), parse_networks(TRUSTED))
    assert found == Client(address, unreadable=entry)
    assert found.key == ""


@pytest.mark.parametrize(
    ("address", "key"), [(CLIENT, CLIENT), ("2001:db8::7", "2001:db8::/64"), ("", "")]
)
def test_limits_count_a_client_by_its_address_or_its_network(address: str, key: str) -> None:
    assert Client(address).key == key


def test_scheme_and_host_are_the_ones_that_the_nearest_proxy_told() -> None:
    given = headers(
        X_Forwarded_For=CLIENT,
        x_forwarded_proto="http, HTTPS",
        X_FORWARDED_HOST="evil.example, app.example:8443",
    )
    expected = Client(CLIENT, "https", "app.example:8443")
    assert client_behind(NEAR, given, parse_networks(TRUSTED)) == expected


@pytest.mark.parametrize(
    ("told", "scheme"),
    [("http", "http"), ("HTTPS", "https"), ("ws", "http"), ("wss", "https"), ("gopher", None)],
)
def test_the_scheme_of_a_websocket_is_that_of_its_request(told: str, scheme: str | None) -> None:
    given = headers(X_Forwarded_Proto=told)
    assert client_behind(NEAR, given, parse_networks(TRUSTED)) == Client(NEAR, scheme)


@pytest.mark.parametrize(("peer", "trusted"), [(CLIENT, TRUSTED), (NEAR, ()), ("", TRUSTED)])
def test_headers_of_a_peer_that_is_not_trusted_are_ignored(
    peer: str, trusted: tuple[str, ...]
) -> None:
    given = headers(X_Forwarded_For="1.1.1.1", X_Forwarded_Proto="https", X_Forwarded_Host="evil")
    assert client_behind(peer, given, parse_networks(trusted)) == Client(peer, None, None)


def test_networks_are_addresses_networks_and_the_socket_file() -> None:
    assert parse_networks(["10.1.2.3/8", "::1", "unix"]) == (
        ip_network("10.0.0.0/8"),
        ip_network("::1/128"),
        "unix",
    )
    assert parse_networks(["::ffff:10.1.2.3", "::ffff:10.0.0.0/104", "::/0"]) == (
        ip_network("10.1.2.3"),
        ip_network("10.0.0.0/8"),
        ip_network("::/0"),
    )


@pytest.mark.parametrize("entry", ["proxy.example", "10.0.0.0/33", "", "Unix", "10.0.0.1:80"])
def test_other_texts_are_not_networks(entry: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        parse_networks([entry])
