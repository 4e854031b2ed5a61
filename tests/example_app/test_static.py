"""The files of the page: their requests, their handling of untrusted text, and colours."""

from __future__ import annotations

import re
from itertools import product

import pytest

from example_app.app import create_app
from fws_gevent.errors import CloseCode

from ..clients import ROOT

EXAMPLE = ROOT / "example_app"
STYLE = (EXAMPLE / "static" / "chat.css").read_text()
SCRIPTS = {path.name: path.read_text() for path in (EXAMPLE / "static").glob("*.js")}
TEMPLATES = {path.name: path.read_text() for path in (EXAMPLE / "templates").glob("*.html")}


def _pages() -> list[str]:
    client = create_app({"FWS_SIGNING_KEY": "k" * 32}).test_client()
    log_in = client.get("/login").text
    client.post("/login", data={"name": "Ada"})
    return [log_in, client.get("/").text]


def test_pages_load_only_existing_files() -> None:
    client = create_app({"FWS_SIGNING_KEY": "k" * 32}).test_client()
    for page in _pages():
        loaded = set(re.findall(r'(?:src|href)="([^"]*)"', page)) - {"/fws/status"}
        assert loaded
        for path in loaded:
            with client.get(path) as answer:
                assert answer.status_code == 200, path
    assert not re.search(r"url\(|@import", STYLE)
    for text in (*TEMPLATES.values(), *SCRIPTS.values(), STYLE):
        assert not re.search(r"https?:", text.replace('"https:"', ""))


def test_pages_need_nothing_inline() -> None:
    for page in _pages():
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
        assert all(not each for each in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_no_markup_of_data(name: str) -> None:
    assert not re.search(
        r"\.(inner|outer)HTML|insertAdjacent|document\.write|eval\(", SCRIPTS[name]
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_leave_no_text_unescaped(name: str) -> None:
    assert not re.search(r"\|\s*safe|autoescape", TEMPLATES[name])


def test_it_reconnects_after_the_codes_of_the_catalogue() -> None:
    codes = re.search(r"RECONNECT = new Set\(\[([\d, ]+)\]\)", SCRIPTS["connection.js"])
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
def test_colours_have_enough_contrast(
    scheme: str, pairs: list[tuple[str, str]], least: float
) -> None:
    colours = _colours(scheme)
    poor = {
        pair: round(contrast, 2)
        for pair in pairs
        if (contrast := _contrast(colours[pair[0]], colours[pair[1]])) < least
    }
    assert poor == {}
