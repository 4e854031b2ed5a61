"""The parser of cookies."""

from __future__ import annotations

import pytest

from fws_gevent.web.cookies import cookie_of


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([""], None),
        (["b=1"], None),
        (["a"], ""),
        (["a="], ""),
        (["a=1"], "1"),
        ([" a = 1 "], "1"),
        (["a=1; a=2"], "1"),
        (["b=1", "a=2"], "2"),
        (["a=1", "a=2"], "1"),
        (["ba=1; a=2"], "2"),
        (["b=a=1"], None),
        (["b[c]=1; a=2"], "2"),
        (["b:c=1; a=2"], "2"),
        (["; ;; a=2"], "2"),
        (['a="x y"'], "x y"),
        (['b="x; a=1'], "1"),
        (["a=\xc3\xa9"], "\xe9"),
        (["\xff=1; a=\xff"], "\ufffd"),
        (["a=\u2603"], "?"),
    ],
)
def test_the_first_cookie_of_the_name_is_found_among_others(
    headers: list[str], found: str | None
) -> None:
    assert cookie_of(headers, "a") == found
