"""The chat page as a WSGI application, called directly."""

from __future__ import annotations

import re
from itertools import product
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from example_app.page import ASSETS, chat_page
from fws_gevent.errors import CloseCode

PAGE = ASSETS["/"].body.decode()
STYLE = ASSETS["/chat.css"].body.decode()
SCRIPT = ASSETS["/chat.js"].body.decode()


class Answer(NamedTuple):
    """What the application answered."""

    status: str
    headers: dict[str, str]
    body: bytes


def ask(path: str = "/", method: str = "GET", **more: str) -> Answer:
    """Ask the application for a path; what breaks WSGI's rules fails the test."""
    environ: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method}
    environ |= {"SCRIPT_NAME": "", "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    environ.update(more)
    got: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        got[:] = [status, dict(headers)]
        assert len(got[1]) == len(headers), "a header is there twice"

    chunks = validator(chat_page)(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        chunks.close()  # type: ignore[attr-defined]
    return Answer(got[0], got[1], body)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/chat.css", "text/css; charset=utf-8"),
        ("/chat.js", "text/javascript; charset=utf-8"),
        ("/chat.svg", "image/svg+xml"),
    ],
)
def test_each_file_comes_whole_with_its_type(path: str, content_type: str) -> None:
    answer = ask(path)
    assert answer.status == "200 OK"
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.body == ASSETS[path].body


@pytest.mark.parametrize("path", ["/", "/chat.js", "/missing"])
def test_head_gets_the_headers_of_get_and_no_body(path: str) -> None:
    get, head = ask(path), ask(path, "HEAD")
    assert (head.status, head.headers) == (get.status, get.headers)
    assert head.body == b""


def test_a_query_changes_nothing() -> None:
    assert ask("/", QUERY_STRING="a=/chat.css") == ask("/")


def test_no_path_is_the_page() -> None:
    assert ask("", SCRIPT_NAME="/mounted") == ask("/")


@pytest.mark.parametrize(
    "path",
    [
        "/favicon.ico",
        "/chat.html",
        "/chat.js/",
        "//chat.js",
        "/page.py",
        "/../example_app/page.py",
        "/../../../../etc/passwd",
        "/./chat.js",
        "/%2e%2e/page.py",
        "/..\\page.py",
        "//etc/passwd",
        "/chat.js\0.html",
        "/CHAT.JS",
        "/\u00e9",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_other_path_is_404_in_text(path: str, method: str) -> None:
    answer = ask(path, method)
    assert answer.status == "404 Not Found"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.body == b"There is nothing here.\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_405_and_told_what_is_allowed(method: str) -> None:
    answer = ask("/", method)
    assert answer.status == "405 Method Not Allowed"
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body == b"Only GET, HEAD are answered here.\n"


@pytest.mark.parametrize(("path", "method"), [("/", "GET"), ("/chat.css", "GET"), ("/x", "PUT")])
def test_every_answer_is_safe_to_show(path: str, method: str) -> None:
    headers = ask(path, method).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_loads_nothing_but_files_of_the_table() -> None:
    loaded = re.findall(r'(?:src|href)="([^"]*)"', PAGE)
    assert set(loaded) == set(ASSETS) - {"/"}
    assert not re.search(r"url\(|@import", STYLE)
    assert not re.search(r"https?:", PAGE + STYLE + SCRIPT.replace('"https:"', ""))


def test_the_page_needs_nothing_inline() -> None:
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", PAGE)
    assert re.findall(r"<script[^>]*>(.*?)</script>", PAGE, re.DOTALL) == [""]


def test_the_script_makes_no_markup_of_what_it_gets() -> None:
    assert not re.search(r"\b(inner|outer)HTML|insertAdjacent|document\.write|eval\(", SCRIPT)


def test_the_script_reconnects_after_the_codes_that_the_catalogue_names() -> None:
    codes = re.search(r"RECONNECT = new Set\(\[([\d, ]+)\]\)", SCRIPT)
    assert codes is not None
    assert {int(code) for code in codes[1].split(",")} == {c for c in CloseCode if c.reconnect}


# Colours, by the contrast of WCAG 2.2.


def _colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#\w{6});", light))
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#\w{6});", dark))
    return found


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


_TEXT = [
    *product(["ink", "soft", "good", "wait", "bad"], ["surface"]),
    *product(["ink", "soft"], ["raised"]),
    *product([f"hue-{number}" for number in range(6)], ["surface"]),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
]
_SHAPES = [("control-line", "surface"), ("focus", "surface"), ("accent", "surface")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(_TEXT, 4.5), (_SHAPES, 3.0)], ids=["text", "shapes"])
def test_all_can_be_told_from_what_is_behind_it(
    scheme: str, pairs: list[tuple[str, str]], least: float
) -> None:
    colours = _colours(scheme)
    poor = {
        pair: round(contrast, 2)
        for pair in pairs
        if (contrast := _contrast(colours[pair[0]], colours[pair[1]])) < least
    }
    assert poor == {}
