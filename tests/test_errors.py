"""The errors, and the catalogue of close codes."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

import fws_gevent
from fws_gevent.errors import (
    CloseCode,
    ConnectsTooOften,
    FwsError,
    GroupNameInvalid,
    GroupRefused,
    HandshakeRefused,
    NoRoom,
    NotServing,
    OriginRefused,
    PublishFailed,
    TextNotUTF8,
    UnfitResult,
)
from fws_gevent.protocol.frames import is_close_code

from .clients import ROOT

CATALOGUE = (ROOT / "docs" / "close_codes.md").read_text("utf-8")
PAGE = (ROOT / "docs" / "errors.md").read_text("utf-8")


def subclasses(root: type[FwsError]) -> Iterator[type[FwsError]]:
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize("code", CloseCode, ids=lambda code: code.name)
def test_every_close_code_has_a_meaning_and_a_reconnect_flag(code: CloseCode) -> None:
    assert code.meaning.strip()
    assert "\n" not in code.meaning
    assert len(code.meaning.encode()) <= 123  # the space in a Close frame (RFC 6455 §5.5.1)
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
def test_the_catalogue_finds_a_code_by_its_number(code: int, reconnect: bool) -> None:
    member = cast("Any", CloseCode)(code)  # type checkers take this for the definition of a member
    assert member == code
    assert member.reconnect is reconnect


CODES: dict[str, CloseCode | None] = {
    "ConfigurationError": None,  # nothing is open yet
    "FilterDefinitionError": None,
    "HandshakeRefused": CloseCode.POLICY_VIOLATION,
    "OriginRefused": CloseCode.FORBIDDEN,
    "TokenRefused": CloseCode.UNAUTHENTICATED,
    "NoRoom": CloseCode.TRY_AGAIN_LATER,
    "ShuttingDown": CloseCode.GOING_AWAY,
    "ConnectsTooOften": CloseCode.POLICY_VIOLATION,
    "NotReady": CloseCode.TRY_AGAIN_LATER,
    "NoSuchPath": CloseCode.POLICY_VIOLATION,
    "TokenInvalid": CloseCode.UNAUTHENTICATED,
    "NotIssued": None,  # the caller handles it
    "StoreFull": None,
    "SubjectFull": None,
    "GroupNameInvalid": None,  # closes no connection
    "GroupRefused": CloseCode.FORBIDDEN,
    "FilterFailed": CloseCode.INTERNAL_ERROR,
    "StorageAway": None,  # closes no connection
    "PublishFailed": None,
    "TextNotUTF8": CloseCode.INTERNAL_ERROR,
    "NotServing": None,  # the calling thread handles it
    "UnfitResult": CloseCode.INTERNAL_ERROR,
}


def every_error() -> dict[str, type[FwsError]]:
    """Return all classes of the tree, from all modules of the package."""
    for module in pkgutil.walk_packages(fws_gevent.__path__, "fws_gevent."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {each.__name__: each for each in subclasses(FwsError)}


def test_every_error_is_in_the_table_of_close_codes() -> None:
    found = {name: error.close_code for name, error in every_error().items()}
    assert found == CODES


@pytest.mark.parametrize("code", sorted({each for each in CODES.values() if each}))
def test_the_close_code_of_an_error_may_be_sent_and_is_documented(code: CloseCode) -> None:
    assert is_close_code(code)
    advice = "yes" if code.reconnect else "no"
    assert f"| {code.value} | {code.meaning} | {advice} |" in CATALOGUE


@pytest.mark.parametrize("code", CloseCode, ids=lambda code: code.name)
def test_the_documented_catalogue_has_every_code(code: CloseCode) -> None:
    assert f"| {code.value} | {code.meaning} |" in CATALOGUE


def test_the_page_of_errors_has_every_error_with_its_bases() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE)
    documented = {name: re.findall(r"`(\w+)`", bases) for name, bases in rows}
    assert len(documented) == len(rows)
    assert documented == {
        name: [base.__name__ for base in error.__bases__] for name, error in every_error().items()
    }


ERRORS = [
    HandshakeRefused("426 Upgrade Required", "why", (("Upgrade", "websocket"),)),
    OriginRefused("403 Forbidden", "why"),
    ConnectsTooOften(3),
    NoRoom(),
    NotServing(),
    GroupRefused("room"),
    GroupNameInvalid("why"),
    UnfitResult(5),
    TextNotUTF8("why"),
    PublishFailed("why"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_it_was_pickled(error: FwsError) -> None:
    error.add_note("seen")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)


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
