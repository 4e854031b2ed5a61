"""Pages that may open a WebSocket: those of the server and those listed, and no similar ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..clients import Client
from .conversations import converse
from .standing import standing
from .ways import STOCK, WAYS, Site

LISTED = "https://app.example,http://[2001:db8::1]:8080,https://shop.example:8443"
HOST = "chat.example"

MAY = [
    # A program sends none.
    (HOST, None),
    (HOST, "http://chat.example"),
    (HOST, "https://chat.example"),
    (HOST, "HTTP://CHAT.Example"),
    ("CHAT.EXAMPLE", "http://chat.example"),
    (HOST, "http://chat.example:80"),
    (HOST, "https://chat.example:443"),
    ("chat.example:80", "http://chat.example"),
    ("chat.example:443", "https://chat.example"),
    ("chat.example:9000", "http://chat.example:9000"),
    ("127.0.0.1:9000", "http://127.0.0.1:9000"),
    ("[::1]", "http://[::1]"),
    ("[::1]:9000", "http://[::1]:9000"),
    ("[2001:DB8::7]", "https://[2001:db8::7]:443"),
    (HOST, "https://app.example"),
    (HOST, "HTTPS://App.Example:443"),
    (HOST, "https://shop.example:8443"),
    (HOST, "http://[2001:DB8::1]:8080"),
    # The same, written in other ways.
    (HOST, "https://app.example:0443"),
    ("[::1]", "http://[0:0:0:0:0:0:0:1]"),
]

MAY_NOT = [
    (HOST, "https://evil.example"),
    (HOST, "null"),
    (HOST, "NULL"),
    (HOST, ""),
    (HOST, "*"),
    # Suffixes, prefixes and similar names.
    (HOST, "https://chat.example.evil.example"),
    (HOST, "https://evilchat.example"),
    (HOST, "https://evil-chat.example"),
    (HOST, "https://sub.chat.example"),
    (HOST, "https://example"),
    (HOST, "https://app.example.evil.example"),
    (HOST, "https://evil.app.example"),
    (HOST, "https://notapp.example"),
    (HOST, "https://app.exampl"),
    (HOST, "https://app.example2"),
    (HOST, "https://xapp.example"),
    (HOST, "https://appxexample"),
    # A browser takes a name with a trailing dot for another one.
    (HOST, "https://chat.example."),
    (HOST, "https://app.example."),
    ("chat.example.", "https://chat.example"),
    # Other ports, and schemes.
    (HOST, "http://chat.example:443"),
    (HOST, "https://chat.example:80"),
    (HOST, "http://chat.example:8080"),
    ("chat.example:9000", "http://chat.example"),
    ("chat.example:9000", "http://chat.example:9001"),
    (HOST, "http://app.example"),
    (HOST, "https://app.example:8443"),
    (HOST, "https://shop.example"),
    (HOST, "file://chat.example"),
    (HOST, "chrome-extension://chat.example"),
    (HOST, "javascript:chat.example"),
    # Addresses.
    ("127.0.0.1", "http://127.0.0.2"),
    ("127.0.0.1", "http://2130706433"),
    ("127.0.0.1", "http://127.1"),
    ("[::1]", "http://[::2]"),
    ("[::1]", "http://::1"),
    ("[::1]", "http://[::1"),
    (HOST, "http://[2001:db8::1]"),
    (HOST, "http://[2001:db8::1]:80"),
    # Values that do not have the form of an origin.
    (HOST, "https://chat.example@evil.example"),
    (HOST, "https://evil.example@chat.example"),
    (HOST, "https://user:secret@app.example"),
    (HOST, "https://app.example/"),
    (HOST, "https://chat.example/path"),
    (HOST, "https://evil.example/chat.example"),
    (HOST, "https://evil.example#chat.example"),
    (HOST, "https://evil.example?chat.example"),
    (HOST, "https://evil.example\\chat.example"),
    (HOST, "https://app.example:"),
    (HOST, "https://app.example https://evil.example"),
    (HOST, "https://app.example, https://evil.example"),
    (HOST, "https://app.example,https://app.example"),
    (HOST, "https:app.example"),
    (HOST, "//app.example"),
    (HOST, "app.example"),
    (HOST, "https://"),
    (HOST, "https://\xe4pp.example"),
    (HOST, "https://app.ex%61mple"),
    (HOST, "http" + "s" * 4000 + "://chat.example"),
]


def asked(host: str, *origins: str) -> bytes:
    """Return a handshake to `host`, with an Origin for each of `origins`."""
    lines = [
        "GET / HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *(f"Origin: {origin}" for origin in origins),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@pytest.fixture(scope="module", params=WAYS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return a server that lists some pages of others."""
    with standing(request.param, tmp_path_factory.mktemp("site"), allowed_origins=LISTED) as site:
        yield site


@pytest.fixture(scope="module")
def bystander(site: Site) -> Client:
    """Return a client that must not notice the others."""
    return site.client()


@pytest.mark.parametrize(("host", "origin"), MAY)
def test_own_and_listed_pages_are_accepted(host: str, origin: str | None, site: Site) -> None:
    origins = [] if origin is None else [origin]
    assert converse(site, asked(host, *origins)).outcome == "101"


@pytest.mark.parametrize(("host", "origin"), MAY_NOT)
def test_all_other_pages_are_refused(host: str, origin: str, site: Site, bystander: Client) -> None:
    # The stock worker has answered before it asks: the connection opens, and closes.
    refused = "101 4403" if site.way == STOCK else "403"
    assert converse(site, asked(host, origin)).outcome == refused
    bystander.send("hello")
    assert bystander.receive() == "hello"


@pytest.mark.parametrize(
    "origins",
    [
        ("https://app.example", "https://app.example"),
        ("https://app.example", "https://evil.example"),
        ("https://evil.example", "https://app.example"),
        ("https://evil.example", ""),
    ],
)
def test_two_origins_are_refused(origins: tuple[str, str], site: Site) -> None:
    refused = "101 1008" if site.way == STOCK else "400"
    assert converse(site, asked(HOST, *origins)).outcome == refused
