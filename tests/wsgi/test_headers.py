"""Request headers as gevent's WSGI handler reads them, and as an application finds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fws_gevent.protocol.handshake import Headers
from fws_gevent.wsgi.headers import WSGIHeaders

from ..conftest import Serve
from ..raw_http import exchange, request

FIELDS = [("Host", "a"), ("Accept", "b"), ("accept", "c: d"), ("Content-Type", "text/plain")]


@pytest.fixture
def headers() -> WSGIHeaders:
    return WSGIHeaders(Headers(FIELDS))


@pytest.mark.parametrize(
    ("name", "value"), [("host", "a"), ("HOST", "a"), ("Accept", "b"), ("Cookie", None), ("", None)]
)
def test_the_first_field_of_a_name_is_found_in_any_case(
    name: str, value: str | None, headers: WSGIHeaders
) -> None:
    assert headers.get(name) == headers.getheader(name) == value


def test_a_missing_field_has_the_default_and_an_empty_one_is_empty(headers: WSGIHeaders) -> None:
    assert headers.get("Cookie", "default") == "default"
    assert WSGIHeaders(Headers([("Cookie", "")])).get("Cookie", "default") == ""


def test_all_fields_are_there_in_order_as_pairs_and_as_lines(headers: WSGIHeaders) -> None:
    assert headers.items() == FIELDS
    assert list(headers.headers) == [
        "Host: a\r\n",
        "Accept: b\r\n",
        "accept: c: d\r\n",
        "Content-Type: text/plain\r\n",
    ]


def test_the_content_type_has_a_name_of_its_own(headers: WSGIHeaders) -> None:
    assert headers.typeheader == "text/plain"
    assert WSGIHeaders(Headers()).typeheader is None


def test_nothing_went_wrong_with_them(headers: WSGIHeaders) -> None:
    assert not headers.status  # gevent answers 400 if there is one


def asked(serve: Serve, *headers: str, line: str = "GET / HTTP/1.0") -> dict[str, Any]:
    """Return the environ that an application gets for a request."""
    environs = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environs.append(dict(environ))
        start_response("200 OK", [])
        return [b"ok"]

    (answer,) = exchange(serve(extra={"application": application}), request(line, *headers))
    assert answer.status == 200
    return environs[0]


@pytest.mark.parametrize(
    ("headers", "name", "value"),
    [
        (["Accept: a", "ACCEPT: b"], "HTTP_ACCEPT", "a,b"),
        (["Cookie: a=1", "Cookie: b=2"], "HTTP_COOKIE", "a=1; b=2"),
        (["X-Spaces:   \t kept  inside \t"], "HTTP_X_SPACES", "kept  inside"),
        (["X-Colon: a: b"], "HTTP_X_COLON", "a: b"),
        (["X-Empty:"], "HTTP_X_EMPTY", ""),
        (["X-Latin: caf\xe9"], "HTTP_X_LATIN", "caf\xe9"),
        (["Content-Type: text/html"], "CONTENT_TYPE", "text/html"),
        (["Content-Length: 0"], "CONTENT_LENGTH", "0"),
        ([], "HTTP_HOST", "localhost"),
    ],
)
def test_an_application_finds_them_in_its_environ(
    headers: list[str], name: str, value: str, serve: Serve
) -> None:
    assert asked(serve, *headers)[name] == value


def test_a_name_with_an_underscore_takes_no_other_ones_place(serve: Serve) -> None:
    environ = asked(serve, "X-Forwarded-For: real", "X_Forwarded_For: forged")
    assert environ["HTTP_X_FORWARDED_FOR"] == "real"


def test_the_request_line_is_in_the_environ_too(serve: Serve) -> None:
    environ = asked(serve, line="DELETE /a%20b%2Fc?d=%20 HTTP/1.0")
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL")
    assert [environ[name] for name in names] == ["DELETE", "/a b/c", "d=%20", "HTTP/1.0"]
