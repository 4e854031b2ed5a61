"""The error tree and the catalogue of close codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from fws_gevent.errors import CloseCode, FwsError, HandshakeRefused, OriginRefused


def subclasses(root: type[FwsError]) -> Iterator[type[FwsError]]:
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize("code", CloseCode, ids=lambda code: code.name)
def test_every_close_code_has_a_meaning_and_says_whether_to_reconnect(code: CloseCode) -> None:
    assert code.meaning.strip()
    assert "\n" not in code.meaning
    assert len(code.meaning.encode()) <= 123  # what fits into a Close frame (RFC 6455 §5.5.1)
    assert code.reconnect in (True, False)


def test_no_two_close_codes_mean_the_same() -> None:
    assert len({code.meaning for code in CloseCode}) == len(CloseCode)
    assert len({int(code) for code in CloseCode}) == len(CloseCode.__members__)


@pytest.mark.parametrize(
    ("code", "reconnect"),
    [
        (1000, False),
        (1001, True),
        (1002, False),
        (1006, True),
        (1007, False),
        (1008, False),
        (1009, False),
        (1011, False),
        (1012, True),
        (1013, True),
        (1014, True),
        (4401, False),
        (4403, False),
    ],
)
def test_the_catalogue_answers_for_a_number_from_the_wire(code: int, reconnect: bool) -> None:
    member = cast("Any", CloseCode)(code)  # a checker takes this for making a new member
    assert member == code
    assert member.reconnect is reconnect


def test_the_close_code_of_every_error_is_none_or_in_the_catalogue() -> None:
    errors: list[type[FwsError]] = [FwsError, *subclasses(FwsError)]
    assert len(errors) > 5
    for error in errors:
        assert error.close_code is None or isinstance(error.close_code, CloseCode), error


def test_a_refusal_carries_its_status_its_headers_and_its_text() -> None:
    refusal = HandshakeRefused("426 Upgrade Required", "why", (("Upgrade", "websocket"),))
    assert refusal.status == "426 Upgrade Required"
    assert refusal.headers == (("Upgrade", "websocket"),)
    assert str(refusal) == "why"


def test_a_refused_origin_is_a_refused_handshake_with_its_own_close_code() -> None:
    refusal = OriginRefused("403 Forbidden", "why")
    assert isinstance(refusal, HandshakeRefused)
    assert refusal.close_code is CloseCode.FORBIDDEN
    assert refusal.headers == ()
