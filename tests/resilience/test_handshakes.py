"""Requests as bytes, and what must come of them: pairs of files in the folder `handshakes`.

NAME.http is what is sent and NAME.answer what must be observed; README.txt there says how they
are written. A malformed one gets a refusal and the end of its connection, never a 101, a 500 or
a traceback; those called granted-… are odd but right, and must become WebSockets.
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
"""501 for a coding and 505 for a version that nobody here knows, as RFC 9110 has it (§15.6)."""


class Expected(NamedTuple):
    """What a .answer says: the outcome in each way of running, and headers of the answer."""

    outcome: dict[str, str]
    headers: dict[str, str]


def request_of(name: str) -> bytes:
    """The bytes of a .http file."""
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
    """What a .answer file says."""
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
    """One server for all pairs; at the end, its log is looked through."""
    way: str = request.param
    # Under our worker a body that never ends is waited for as long as gunicorn keeps connections.
    more = ("--keep-alive", "1") if way == OURS else ()
    with standing(way, tmp_path_factory.mktemp("site"), more=more) as site:
        yield site
    if way == STOCK:
        # gevent-websocket hands its refusals to gevent in a form that raises there. None is ours.
        assert "/fws_gevent/" not in site.log
        assert "closed file" not in site.log
    else:
        assert "Traceback" not in site.log


@pytest.fixture(scope="module")
def bystander(site: Site) -> Client:
    """A client that all the others are no business of."""
    return site.client()


@pytest.mark.parametrize("name", NAMES)
def test_a_request_gets_its_answer_and_nobody_else_notices(
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
def test_what_is_expected_is_a_refusal_unless_the_request_is_right(name: str) -> None:
    outcome = answer_of(name).outcome
    if name.startswith("granted-"):
        assert (outcome[COMMAND], outcome[OURS]) == ("101", "101")
        return
    assert outcome[COMMAND] in REFUSALS
    assert REFUSALS.issuperset(outcome[OURS].split())


def test_every_request_has_an_answer_and_every_answer_a_request() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.answer")) == NAMES
    assert len(NAMES) > 300
