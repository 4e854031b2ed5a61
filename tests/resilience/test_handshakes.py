"""Requests in bytes and their outcomes, in pairs of files in the folder `handshakes`.

NAME.http has the request and NAME.answer the outcome; README.txt there describes their form. A
malformed request gets a refusal and the end of its connection, never a 101, a 500 or a traceback.
Requests called granted-… are odd but valid, and must become WebSockets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ..clients import Client
from .conversations import converse
from .standing import standing
from .ways import COMMAND, OURS, STOCK, WAYS, Site

FOLDER = Path(__file__).parent / "handshakes"
NAMES = sorted(path.stem for path in FOLDER.glob("*.http"))

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([rnt\\])|\{(\d+) (.*?)\}|$)")
_CHARACTERS = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}

REFUSALS = {"501", "505", *(str(status) for status in range(400, 500))}
"""The status 501 for an unknown coding, and 505 for an unknown version (RFC 9110 §15.6)."""


class Expected(NamedTuple):
    """The content of a .answer file: the outcome in each way of running, and headers."""

    outcome: dict[str, str]
    headers: dict[str, str]


def request_of(name: str) -> bytes:
    """Return the bytes of a .http file."""
    text = (FOLDER / f"{name}.http").read_text("ascii")
    return "".join(_line(each) for each in text.splitlines()).encode("latin-1")


def _line(line: str) -> str:
    open_end = re.search(r"(?<!\\)(?:\\\\)*\\$", line)
    return _unescaped(line) + ("" if open_end else "\r\n")


def _unescaped(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        if found[3]:
            return int(found[3]) * _unescaped(found[4])
        return _CHARACTERS.get(found[2], "")

    return _ESCAPE.sub(character, text)


def answer_of(name: str) -> Expected:
    """Return the content of a .answer file."""
    lines = (FOLDER / f"{name}.answer").read_text("ascii").splitlines()
    said = [line.partition(": ")[::2] for line in lines if not line.startswith("#")]
    own = {name: value for name, value in said if name in WAYS}
    (general,) = (value for name, value in said if name == "status")
    headers = dict(value.partition(": ")[::2] for name, value in said if name == "header")
    return Expected(
        {way: own.get(way, general) for way in WAYS},
        {name.lower(): value for name, value in headers.items()},
    )


@pytest.fixture(scope="module", params=WAYS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return one server for all pairs, whose log is checked at the end."""
    way: str = request.param
    # Our worker waits for a body that never ends as long as gunicorn keeps connections.
    more = ("--keep-alive", "1") if way == OURS else ()
    with standing(way, tmp_path_factory.mktemp("site"), more=more) as site:
        yield site
    if way == STOCK:
        # gevent-websocket hands its refusals to gevent in a form that raises there.
        assert "/fws_gevent/" not in site.log
        assert "closed file" not in site.log
    else:
        assert "Traceback" not in site.log


@pytest.fixture(scope="module")
def bystander(site: Site) -> Client:
    """Return a client that must not notice the others."""
    return site.client()


@pytest.mark.parametrize("name", NAMES)
def test_a_request_gets_its_answer_and_no_other_client_notices(
    name: str, site: Site, bystander: Client
) -> None:
    expected = answer_of(name)
    talk = converse(site, request_of(name))
    assert talk.outcome == expected.outcome[site.way]
    if site.way != STOCK and expected.outcome[site.way] == expected.outcome[COMMAND]:
        assert expected.headers.items() <= talk.answers[0].headers.items()
    bystander.send(name)
    assert bystander.receive() == name


@pytest.mark.parametrize("name", NAMES)
def test_the_expected_outcome_is_a_refusal_unless_the_request_is_valid(name: str) -> None:
    outcome = answer_of(name).outcome
    if name.startswith("granted-"):
        assert (outcome[COMMAND], outcome[OURS]) == ("101", "101")
        return
    assert outcome[COMMAND] in REFUSALS
    assert REFUSALS.issuperset(outcome[OURS].split())


def test_every_request_has_an_answer_and_every_answer_a_request() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.answer")) == NAMES
    assert len(NAMES) > 300
