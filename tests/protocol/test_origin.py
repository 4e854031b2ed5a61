"""The origins of pages that may open a WebSocket."""

from __future__ import annotations

import pytest

from fws_gevent.protocol.origin import normal_origin, origin_allowed

SAME_HOST = [
    ("http://example.com", "example.com"),
    ("https://example.com", "example.com"),
    ("HTTP://Example.COM", "eXample.com"),
    ("http://example.com:80", "example.com"),
    ("http://example.com", "example.com:80"),
    ("https://example.com", "example.com:443"),
    ("https://example.com:443", "example.com"),
    ("http://localhost:9000", "localhost:9000"),
    ("http://127.0.0.1:9000", "127.0.0.1:9000"),
    ("http://[::1]:9000", "[::1]:9000"),
    ("http://[::1]", "[::1]:80"),
]

OTHER_HOST = [
    ("http://example.com", "example.org"),
    ("http://example.com.evil.org", "example.com"),
    ("http://evilexample.com", "example.com"),
    ("http://sub.example.com", "example.com"),
    ("http://example.com", "sub.example.com"),
    ("http://example.com:8080", "example.com"),
    ("http://example.com", "example.com:8080"),
    ("http://example.com", "example.com:443"),
    ("https://example.com", "example.com:80"),
    ("https://example.com:80", "example.com"),
    ("http://example.com@evil.org", "example.com"),
    ("http://evil.org/example.com", "example.com"),
    ("http://evil.org#example.com", "example.com"),
    ("http://example.com/", "example.com"),
    ("http://example.com ", "example.com"),
    ("http://example.com\n", "example.com"),
    ("example.com", "example.com"),
    ("//example.com", "example.com"),
    ("null", "example.com"),
    ("null", "null"),
    ("", ""),
    ("", "example.com"),
    ("http://", ""),
    ("http://example.com", ""),
    ("http://example.com", "example.com, evil.org"),
    ("http://[::1]", "[::2]"),
    ("http://[::1", "[::1"),
    ("http://example.com:", "example.com"),
    ("http://example.com:123456", "example.com:123456"),
    ("app://example.com", "example.com"),
    ("chrome-extension://example.com", "example.com"),
    ("http://example.com.", "example.com"),
    ("http://example.com", "example.com."),
]


@pytest.mark.parametrize(("origin", "host"), SAME_HOST)
def test_the_hosts_own_pages_may_connect(origin: str, host: str) -> None:
    assert origin_allowed(origin, host, ())


@pytest.mark.parametrize(("origin", "host"), OTHER_HOST)
def test_pages_of_other_hosts_and_malformed_origins_may_not(origin: str, host: str) -> None:
    assert not origin_allowed(origin, host, ())
    assert not origin_allowed(origin, host, ("https://listed.example",))


@pytest.mark.parametrize(
    ("origin", "listed", "allowed"),
    [
        ("https://app.example", "https://app.example", True),
        ("https://APP.example:443", "https://app.example", True),
        ("https://app.example", "HTTPS://App.example:443", True),
        ("null", "null", True),
        ("app://page", "app://page", True),
        ("http://app.example", "https://app.example", False),
        ("https://app.example:444", "https://app.example", False),
        ("https://app.example.evil.org", "https://app.example", False),
        ("https://evil.app.example", "https://app.example", False),
        ("https://app.example", "https://*.example", False),
        ("https://app.example", "https://app.exampl.", False),
        ("https://app.example", "null", False),
        ("null", "https://app.example", False),
    ],
)
def test_a_listed_origin_may_connect_and_nothing_like_it(
    origin: str, listed: str, allowed: bool
) -> None:
    assert origin_allowed(origin, "server.example", ("https://first.example", listed)) is allowed


@pytest.mark.parametrize("origin", ["http://evil.org", "null", "", "garbage"])
def test_a_star_allows_every_origin(origin: str) -> None:
    assert origin_allowed(origin, "example.com", ("https://first.example", "*"))


@pytest.mark.parametrize(
    ("origin", "normal"),
    [
        ("HTTP://A.example:80", "http://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("wss://a.example:443", "wss://a.example"),
        ("http://[::A]:80", "http://[::a]"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://a.example:80", "https://a.example:80"),
        ("app://a.example:80", "app://a.example:80"),
        ("NULL", "null"),
        ("*", "*"),
        ("no origin:80", "no origin:80"),
    ],
)
def test_an_origin_is_lowered_and_loses_its_default_port_alone(origin: str, normal: str) -> None:
    assert normal_origin(origin) == normal
    assert normal_origin(normal) == normal
