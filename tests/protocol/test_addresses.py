"""IP addresses in a normal form."""

from __future__ import annotations

import pytest

from fws_gevent.protocol.addresses import (
    counted_as,
    is_loopback,
    normal_address,
    parse_address,
    parse_node,
)

ADDRESSES = [
    ("203.0.113.7", "203.0.113.7"),
    ("2001:DB8:0:0::7", "2001:db8::7"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("::FFFF:cb00:7107", "203.0.113.7"),
    ("0:0:0:0:0:ffff:203.0.113.7", "203.0.113.7"),
    ("fe80::1%eth0", "fe80::1"),
    ("fe80::1%25eth0", "fe80::1"),
    ("::1", "::1"),
]

NODES = [
    ("203.0.113.7:50001", "203.0.113.7"),
    ("203.0.113.7:", "203.0.113.7"),
    ("203.0.113.7:_hidden", "203.0.113.7"),
    ("[2001:db8::7]", "2001:db8::7"),
    ("[2001:db8::7]:50001", "2001:db8::7"),
    ("[::ffff:203.0.113.7]:50001", "203.0.113.7"),
    ("[fe80::1%eth0]:50001", "fe80::1"),
    ('"203.0.113.7"', "203.0.113.7"),
    ('"[2001:db8::7]:50001"', "2001:db8::7"),
    (" 203.0.113.7 ", "203.0.113.7"),
]

NEITHER = [
    "",
    "unknown",
    "_hidden",
    "unix",
    "203.0.113",
    "203.0.113.07",
    "203.0.113.300",
    "203.0.113.7%eth0",
    "fe80::1%",
    "203.0.113.7:http",
    "203.0.113.7:50001:1",
    "[2001:db8::7",
    "2001:db8::7]:1",
    "[]:1",
    "[garbage]:1",
    '"203.0.113.7',
    '"',
    "203.0.113.7 198.51.100.1",
    "proxy.example:80",
    "\u0661.1.1.1",
]


@pytest.mark.parametrize(("text", "normal"), ADDRESSES)
def test_an_address_has_one_form_however_it_is_written(text: str, normal: str) -> None:
    assert str(parse_address(text)) == normal
    assert normal_address(text) == normal
    assert str(parse_node(text)) == normal


@pytest.mark.parametrize(("text", "normal"), NODES)
def test_an_entry_of_a_proxy_may_have_a_port_brackets_and_quotes(text: str, normal: str) -> None:
    assert str(parse_node(text)) == normal
    assert parse_address(text) is None


@pytest.mark.parametrize("text", NEITHER)
def test_any_other_text_is_not_an_address_and_stays_as_it_is(text: str) -> None:
    assert parse_address(text) is None
    assert parse_node(text) is None
    assert normal_address(text) == counted_as(text) == text


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("64:ff9b::203.0.113.7", "203.0.113.7"),
    ],
)
def test_limits_count_an_ipv6_address_by_its_network(text: str, counted: str) -> None:
    assert counted_as(text) == counted
    assert counted_as(counted) == counted


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("127.0.0.1", True), ("127.255.0.9", True), ("::1", True), ("localhost", True),
        ("unix:/run/fws.sock", True), ("0.0.0.0", False), ("::", False), ("", False),
        ("10.0.0.1", False), ("localhost.example", False), ("example.org", False),
        ("::ffff:127.0.0.1", True), ("::ffff:10.0.0.1", False), ("127.0.0.1:80", False),
    ],
)  # fmt: skip
def test_loopback_is_where_only_this_machine_comes_in(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes
