"""Heads of requests: unambiguous ones are parsed, others refused."""

from __future__ import annotations

import pytest

from fws_gevent.errors import HandshakeRefused
from fws_gevent.protocol.handshake import (
    Headers,
    Request,
    check_request,
    parse_headers,
    parse_request_line,
    split_target,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def request(*fields: tuple[str, str], host: str | None = "a", version: str = "HTTP/1.1") -> Request:
    """Return a request with `fields`, and a Host unless that is None."""
    hosts = [] if host is None else [("Host", host)]
    return Request("POST", "/", version, Headers([*hosts, *fields]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /chat?a=b HTTP/1.1", ("GET", "/chat?a=b", "HTTP/1.1")),
        ("OPTIONS * HTTP/1.0", ("OPTIONS", "*", "HTTP/1.0")),
        ("GET http://a.example/ HTTP/1.1", ("GET", "http://a.example/", "HTTP/1.1")),
        ("GET / HTTP/2.0", "505"),
        ("GET / HTTP/0.9", "505"),
        ("GET / HTTP/1.2", "505"),
        ("GET /", "400"),
        ("GET  / HTTP/1.1", "400"),
        ("GET / HTTP/1.1 ", "400"),
        (" GET / HTTP/1.1", "400"),
        ("GET /a b HTTP/1.1", "400"),
        ("GET /\x00 HTTP/1.1", "400"),
        ("GET /caf\xe9 HTTP/1.1", "400"),
        ("GET /\r HTTP/1.1", "400"),
        ("GET\t/\tHTTP/1.1", "400"),
        ("G(T / HTTP/1.1", "400"),
        ("GET / http/1.1", "400"),
        ("GET / HTTP/1.1\n", "400"),
        ("", "400"),
    ],
)
def test_a_request_line_is_three_parts_or_refused(
    line: str, expected: str | tuple[str, str, str]
) -> None:
    if isinstance(expected, tuple):
        assert parse_request_line(line) == expected
        return
    with pytest.raises(HandshakeRefused) as caught:
        parse_request_line(line)
    assert caught.value.status.startswith(expected)


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ("400", ["no colon"]),
        ("400", [""]),
        ("400", [": no name"]),
        ("400", ["A : b"]),
        ("400", ["A: b", " folded: c"]),
        ("400", ["A: b", "\tfolded"]),
        ("400", ["A(: b"]),
        ("400", ["Ä: b"]),
        ("400", ["A: b\rc"]),
        ("400", ["A: b\nc"]),
        ("400", ["A: b\x00c"]),
        ("400", ["A: \x01"]),
        ("400", ["A: b\x0b"]),
        ("400", ["A: b\x7f"]),
        ("400", ["Host: a", "host: a"]),
        ("400", ["Origin: http://a", "ORIGIN: http://b"]),
        ("400", [f"Sec-WebSocket-Key: {KEY}", f"Sec-WebSocket-Key: {KEY}"]),
        ("400", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"]),
        ("400", ["Content-Length: 1", "Content-Length: 1"]),
        ("400", ["Content-Length: 1", "Transfer-Encoding: chunked"]),
        ("400", ["Content-Length: +1"]),
        ("400", ["Content-Length: 1, 1"]),
        ("400", ["Content-Length: ²"]),
        ("400", ["Content-Length:"]),
        # RFC 9112 §6.3: without chunked at its end, once, a request has no length: 400.
        ("400", ["Transfer-Encoding: gzip"]),
        ("400", ["Transfer-Encoding: chunked, gzip"]),
        ("400", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
        ("400", ["Transfer-Encoding: gzip, chunked, chunked"]),
        ("400", ["Transfer-Encoding: chunked;q=1"]),
        ("400", ["Transfer-Encoding: \xa0chunked"]),
        ("400", ["Transfer-Encoding: chunked\x85"]),
        ("400", ["Transfer-Encoding:"]),
        ("400", ["Transfer-Encoding: ,"]),
        ("501", ["Transfer-Encoding: gzip, chunked"]),
        ("417", ["Expect: 200-ok"]),
        ("417", ["Expect: 100-continue, more"]),
    ],
)
def test_headers_that_could_be_read_in_two_ways_are_refused(status: str, lines: list[str]) -> None:
    with pytest.raises(HandshakeRefused) as caught:
        parse_headers(lines)
    assert caught.value.status.startswith(status)


def test_headers_are_kept_in_order_and_found_without_regard_to_case() -> None:
    headers = parse_headers(["A: 1", "B:two words\t", "a:3", "C: x: y", "D:"])
    assert list(headers) == [("A", "1"), ("B", "two words"), ("a", "3"), ("C", "x: y"), ("D", "")]
    assert headers.all("A") == ["1", "3"]
    assert headers.joined("a") == "1, 3"
    assert headers.first("A") == "1"
    assert headers.first("D") == ""
    assert headers.first("E") is None
    assert headers.tokens("B") == ["two words"]


@pytest.mark.parametrize(
    "field",
    [
        "Content-Length: 12",
        "Transfer-Encoding: Chunked",
        "Transfer-Encoding: , chunked,",
        "Expect: 100-Continue",
        "Expect:",
        "A: \t tabs\tand \xfcber\xa0",
    ],
)
def test_a_field_with_one_way_to_read_it_passes(field: str) -> None:
    assert len(list(parse_headers([field]))) == 1


def test_characters_that_are_not_spaces_in_http_are_part_of_a_member() -> None:
    headers = Headers([("Upgrade", "\xa0websocket"), ("Connection", "Upgrade\x85, \t a \t")])
    assert headers.tokens("upgrade") == ["\xa0websocket"]
    assert headers.listed("connection") == ["Upgrade\x85", "a"]


def test_http_1_1_needs_a_host_and_1_0_does_not() -> None:
    check_request(request())
    check_request(request(host=None, version="HTTP/1.0"))
    with pytest.raises(HandshakeRefused, match="Host") as caught:
        check_request(request(host=None))
    assert caught.value.status.startswith("400")


@pytest.mark.parametrize(
    "host",
    ["a", "A.example.", "my_host-1:80", "a:", "192.0.2.1:65535", "[::1]", "[::ffff:192.0.2.1]:1",
     "~a", "xn--bcher-kva.example", "b%C3%BCcher.example"],
)  # fmt: skip
def test_a_host_is_a_name_or_an_address_and_a_port(host: str) -> None:
    check_request(request(host=host))
    check_request(request(host=host, version="HTTP/1.0"))


@pytest.mark.parametrize(
    "host",
    ["", " ", "a b", "a\tb", "a,b", "a, b", "a/b", "a\\b", "a@b", "a?b", "a#b", "http://a", ":80",
     "a:b", "a:80:80", "a:123456", "::1", "[::1", "[a]", "[]", "[::1]a", "b\xfccher", "a%b", "a\n",
     "<a>", '"a"'],
)  # fmt: skip
def test_a_malformed_host_is_refused_in_every_version(host: str) -> None:
    for version in ("HTTP/1.1", "HTTP/1.0"):
        with pytest.raises(HandshakeRefused, match="malformed Host") as caught:
            check_request(request(host=host, version=version))
        assert caught.value.status.startswith("400")


def test_an_absolute_target_names_the_host_and_host_does_not_count() -> None:
    fields = Headers([("Host", "proxy.example")])
    absolute = Request("GET", "/", "HTTP/1.1", fields, "Example.com:81")
    check_request(absolute)
    assert absolute.host == "Example.com:81"
    assert Request("GET", "/", "HTTP/1.1", fields).host == "proxy.example"
    assert Request("GET", "/", "HTTP/1.0", Headers([])).host is None


def test_http_1_0_has_no_chunked_body() -> None:
    chunked = ("Transfer-Encoding", "chunked")
    check_request(request(chunked))
    with pytest.raises(HandshakeRefused, match="Transfer-Encoding") as caught:
        check_request(request(chunked, version="HTTP/1.0"))
    assert caught.value.status.startswith("400")


@pytest.mark.parametrize(
    ("method", "target", "path", "authority"),
    [
        ("GET", "/chat?a=b", "/chat?a=b", None),
        ("GET", "//chat", "//chat", None),
        ("GET", "/http://host/", "/http://host/", None),
        ("GET", "/a[]|{}%zz", "/a[]|{}%zz", None),
        ("GET", "http://host/chat?a=b", "/chat?a=b", "host"),
        ("POST", "HTTPS://host:443/", "/", "host:443"),
        ("GET", "http://[::1]:80", "/", "[::1]:80"),
        ("GET", "http://host?a", "/?a", "host"),
        ("OPTIONS", "*", "*", None),
        ("CONNECT", "host:80", "host:80", None),
    ],
)
def test_a_target_is_a_path_or_has_one(
    method: str, target: str, path: str, authority: str | None
) -> None:
    assert split_target(method, target) == (path, authority)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "*"),
        ("GET", "host:80"),
        ("GET", "chat"),
        ("GET", "?a"),
        ("GET", "/chat#a"),
        ("GET", "http://host/chat#a"),
        ("GET", "http:///chat"),
        ("GET", "http://user@host/chat"),
        ("GET", "http://[::1/chat"),
        ("GET", "ws://host/chat"),
        ("GET", "file:///chat"),
        ("CONNECT", "/chat"),
        ("CONNECT", "http://host/"),
        ("CONNECT", "user@host:80"),
    ],
)
def test_any_other_target_is_refused(method: str, target: str) -> None:
    with pytest.raises(HandshakeRefused, match="target") as caught:
        split_target(method, target)
    assert caught.value.status.startswith("400")
