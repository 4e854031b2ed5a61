"""Paths of requests and of settings."""

from __future__ import annotations

import pytest

from fws_gevent.protocol.paths import path_of, unescaped


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"/ws", "/ws"),
        (b"/my chat", "/my chat"),
        ("/gespr\u00e4ch".encode(), "/gespr\u00e4ch"),
        ("/\u804a\u5929".encode(), "/\u804a\u5929"),
        (b"/gespr\xe4ch", "/gespr\ufffdch"),
        (b"/100%25", "/100%25"),
    ],
)
def test_the_path_of_a_request_is_utf8(sent: bytes, path: str) -> None:
    assert path_of(sent.decode("latin-1")) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/ws", "/ws"),
        ("/my chat", "/my chat"),
        ("/my%20chat", "/my chat"),
        ("/gespr\u00e4ch", "/gespr\u00e4ch"),
        ("/gespr%C3%A4ch", "/gespr\u00e4ch"),
        ("/gespr%c3%a4ch", "/gespr\u00e4ch"),
        ("/100%", "/100%"),
        ("/100%2520", "/100%20"),
        ("/a+b", "/a+b"),
    ],
)
def test_a_path_means_the_same_with_and_without_escapes(text: str, path: str) -> None:
    assert unescaped(text) == path


def test_escapes_that_are_not_utf8_are_an_error() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        unescaped("/gespr%E4ch")
