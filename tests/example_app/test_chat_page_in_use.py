"""The chat page in a real browser: reading, writing and finding one's way, on any screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from ..conftest import Connect
from .browser import Shown, wait_until
from .conftest import Open, needs_chromium

pytestmark = needs_chromium


def test_a_message_that_is_too_long_stays_and_is_said_to_be(port: int, window: Open) -> None:
    ada = window(port)
    ada.run("document.getElementById('text').value = 'x'.repeat(4000)")
    ada.say("yz")
    assert ada["hint"].text == "Too long to send by 2 characters."
    assert not ada["send"].is_enabled()
    assert ada.messages == []
    ada["text"].send_keys(Keys.BACKSPACE * 2)
    ada.say("")
    wait_until(lambda: ada.messages == [Shown(True, "You", "x" * 4000)])


def test_only_the_last_500_entries_are_kept_and_that_is_said(
    port: int, window: Open, connect: Connect
) -> None:
    ada, other = window(port), connect(port)
    for number in range(500):
        other.send(f"message {number}")
    wait_until(lambda: len(ada.messages) == 500)
    assert not ada["older"].is_displayed()
    other.send("the last")
    wait_until(lambda: ada.messages[-1].said == "the last")
    assert len(ada.messages) == 500
    assert ada.messages[0].said == "message 1"
    ada.run("document.getElementById('log').scrollTop = 0")
    assert ada["older"].is_displayed()


def test_new_messages_do_not_pull_a_reader_away(port: int, window: Open, connect: Connect) -> None:
    ada, other = window(port), connect(port)
    for number in range(40):
        other.send(f"message {number}")
    wait_until(lambda: len(ada.messages) == 40)
    top = "return document.getElementById('log').scrollTop"
    assert ada.run(top) > 0
    ada["log"].send_keys(Keys.HOME)
    wait_until(lambda: ada.run(top) == 0)
    other.send("one more")
    wait_until(lambda: ada["newer"].is_displayed())
    assert ada.run(top) == 0
    ada["newer"].click()
    assert ada.run(top) > 0
    assert not ada["newer"].is_displayed()


def test_the_name_is_remembered(port: int, window: Open) -> None:
    window(port).is_called("Ada")
    again = window(port)
    assert again["name"].get_property("value") == "Ada"


def test_all_can_be_done_with_the_keyboard_and_the_focus_is_seen(port: int, window: Open) -> None:
    ada = window(port)
    reached = []
    for _ in range(4):
        ActionChains(ada.browser).send_keys(Keys.TAB).perform()
        reached.append(ada.browser.switch_to.active_element)
        assert reached[-1].value_of_css_property("outline-style") == "solid"
    assert [each.get_attribute("id") for each in reached] == ["name", "log", "text", "send"]
    ada["text"].send_keys("typed")
    ActionChains(ada.browser).send_keys(Keys.TAB, Keys.SPACE).perform()
    wait_until(lambda: ada.messages == [Shown(True, "You", "typed")])
    assert ada.browser.switch_to.active_element == ada["text"]


def test_parts_have_the_names_and_roles_that_screen_readers_tell(port: int, window: Open) -> None:
    ada = window(port)
    told = {name: (ada[name].aria_role, ada[name].accessible_name) for name in
            ("log", "name", "text", "send")}  # fmt: skip
    assert told == {
        "log": ("log", "Messages"),
        "name": ("textbox", "Your name"),
        "text": ("textbox", "Message"),
        "send": ("button", "Send"),
    }
    assert ada["log"].get_attribute("aria-live") == "polite"
    assert ada["state"].aria_role == "status"


@pytest.mark.parametrize(("width", "height"), [(320, 568), (800, 400), (1920, 1080)])
def test_it_fits_phones_and_wide_screens(
    width: int, height: int, port: int, window: Open, connect: Connect, tmp_path: Path
) -> None:
    ada, other = window(port), connect(port)
    other.send(json.dumps({"name": "N" * 40, "text": "long" * 200}))
    wait_until(lambda: ada.messages)
    ada.say("an answer")
    for scheme in ("light", "dark"):
        ada.is_sized(width, height, scheme)
        ada.browser.save_screenshot(str(tmp_path / f"chat-{width}-{scheme}.png"))
        assert ada.run("return document.documentElement.scrollWidth") == width
        log = "const log = document.getElementById('log'); "
        assert ada.run(log + "return log.scrollWidth - log.clientWidth") == 0
        for name in ("state", "name", "log", "text", "send"):
            box = ada[name].rect
            assert box["x"] >= 0, name
            assert box["x"] + box["width"] <= width, name
            assert box["y"] + box["height"] <= height, name
