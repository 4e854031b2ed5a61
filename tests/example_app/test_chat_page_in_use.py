"""The page in a real browser: reading, writing and navigation, on any screen."""

from __future__ import annotations

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from .browser import Shown, Window, wait_until
from .conftest import SCREENSHOTS, Meet, Open, needs_chromium

pytestmark = needs_chromium

TOP = "return document.getElementById('log').scrollTop"


def test_only_the_last_500_entries_are_kept_and_the_page_says_so(
    port: int, window: Open, meet: Meet
) -> None:
    ada, other = window(port, "Ada"), meet(port, "Linus")
    for number in range(498):  # and the notes about joins
        other.say(f"message {number}")
    wait_until(lambda: len(ada.messages) == 498)
    assert not ada["older"].is_displayed()
    for text in ("another", "and another", "the last"):
        other.say(text)
    wait_until(lambda: ada.messages[-1].said == "the last")
    assert len(ada.messages) == 500
    assert ada.messages[0].said == "message 1"
    ada.run("document.getElementById('log').scrollTop = 0")
    assert ada["older"].is_displayed()


def test_new_messages_do_not_scroll_while_the_user_reads(
    port: int, window: Open, meet: Meet
) -> None:
    ada, other = window(port, "Ada"), meet(port, "Linus")
    for number in range(40):
        other.say(f"message {number}")
    wait_until(lambda: len(ada.messages) == 40)
    assert ada.run(TOP) > 0
    ada["log"].send_keys(Keys.HOME)
    wait_until(lambda: ada.run(TOP) == 0)
    other.say("one more")
    wait_until(lambda: ada["newer"].is_displayed())
    assert ada.run(TOP) == 0
    ada["newer"].click()
    assert ada.run(TOP) > 0
    assert not ada["newer"].is_displayed()


def test_everything_works_with_the_keyboard_and_the_focus_is_visible(
    port: int, window: Open
) -> None:
    ada = window(port, "Ada")
    reached = []
    for _ in range(9):
        ActionChains(ada.browser).send_keys(Keys.TAB).perform()
        reached.append(ada.browser.switch_to.active_element)
        assert reached[-1].value_of_css_property("outline-style") == "solid"
    names = [each.get_attribute("id") or each.text for each in reached]
    rooms = ["Lobby", "Garden", "Staff"]
    assert names == ["log-out", *rooms, "log", "text", "send", "Announce…", "Server status"]
    reached[2].send_keys(Keys.ENTER)
    wait_until(lambda: ada.room == "garden")
    ada["text"].send_keys("typed")
    ActionChains(ada.browser).send_keys(Keys.TAB, Keys.SPACE).perform()
    wait_until(lambda: ada.messages == [Shown(True, "You", "typed")])
    assert ada.browser.switch_to.active_element == ada["text"]
    reached[7].send_keys(Keys.ENTER)
    ActionChains(ada.browser).send_keys(Keys.TAB, "said by keys", Keys.ENTER).perform()
    wait_until(lambda: ada["announced"].text == "said by keys")
    ada["dismiss"].send_keys(Keys.SPACE)
    assert not ada["banner"].is_displayed()
    ada["log-out"].send_keys(Keys.ENTER)
    wait_until(lambda: ada.is_at("login"))
    wait_until(lambda: ada.browser.switch_to.active_element == ada["name"])


def test_parts_have_names_and_roles_for_screen_readers(port: int, window: Open) -> None:
    ada = window(port, "Ada")
    told = {name: (ada[name].aria_role, ada[name].accessible_name) for name in
            ("log", "text", "send", "people", "announcement", "rooms")}  # fmt: skip
    ada.browser.find_element(By.TAG_NAME, "summary").click()
    told["announcement"] = (ada["announcement"].aria_role, ada["announcement"].accessible_name)
    assert told == {
        "log": ("log", "Messages"),
        "text": ("textbox", "Message"),
        "send": ("button", "Send"),
        "people": ("list", "Here"),
        "announcement": ("textbox", "To all rooms"),
        "rooms": ("list", ""),
    }
    rooms = ada.browser.find_element(By.TAG_NAME, "nav")
    assert (rooms.aria_role, rooms.accessible_name) == ("navigation", "Rooms")
    wait_until(lambda: ada.room == "lobby")
    assert ada["log"].get_attribute("aria-live") == "polite"
    assert ada["state"].aria_role == "status"
    assert ada["banner"].get_attribute("role") == "alert"
    assert ada.complaints == []


@pytest.mark.parametrize(("width", "height"), [(320, 568), (800, 400), (1920, 1080)])
def test_it_fits_phones_and_wide_screens(
    width: int, height: int, port: int, window: Open, meet: Meet
) -> None:
    ada, other = window(port, "Ada"), meet(port, "N" * 40)
    for number in range(12):
        meet(port, f"Somebody {number}")
    other.say("long" * 200)
    other.post("/announce", text="L" * 200)
    wait_until(lambda: ada.messages)
    wait_until(lambda: len(ada.people) == 14)
    ada.say("an answer")
    for scheme in ("light", "dark"):
        ada.is_sized(width, height, scheme)
        _all_in_sight(ada, width, height, "state", "log-out", "rooms", "log", "text", "send")
        log = "const log = document.getElementById('log'); "
        assert ada.run(log + "return log.scrollWidth - log.clientWidth") == 0
        ada.browser.save_screenshot(str(SCREENSHOTS / f"chat-full-{width}x{height}-{scheme}.png"))


def _all_in_sight(window: Window, width: int, height: int, *names: str) -> None:
    assert window.run("return document.documentElement.scrollWidth") == width
    for name in names:
        box = window[name].rect
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= width, name
        assert box["y"] + box["height"] <= height, name


def _see_more_than(before: int, window: Window) -> None:
    wait_until(lambda: len(window.messages) > before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1200, 800)])
def test_pictures_of_it_are_kept(
    width: int, height: int, scheme: str, port: int, window: Open, meet: Meet
) -> None:
    ada, grace = window(port, "Ada"), window(port, "Grace")
    wait_until(lambda: len(grace.people) == 2)
    for each, text in (
        (ada, "Good morning! Is there :tea: left?"),
        (grace, "There is, and biscuits. The staff room has both, the garden has :sun:"),
        (ada, "On my way."),
    ):
        before = len(grace.messages)
        each.say(text)
        _see_more_than(before, grace)
    meet(port, "Linus").post("/announce", text="The kitchen closes at five.")
    wait_until(lambda: len(grace.people) == 3 and grace["banner"].is_displayed())
    grace.say("WHO TOOK THE LAST ONE")
    wait_until(lambda: grace["hint"].text)
    for name, each in (("ada", ada), ("grace", grace)):
        each.is_sized(width, height, scheme)
        _all_in_sight(each, width, height, "text", "send", "log", "log-out")
        each.browser.save_screenshot(
            str(SCREENSHOTS / f"chat-{name}-{width}x{height}-{scheme}.png")
        )
    grace["log-out"].click()
    wait_until(lambda: grace.is_at("login"))
    _all_in_sight(grace, width, height, "name")
    grace.browser.save_screenshot(str(SCREENSHOTS / f"chat-log-in-{width}x{height}-{scheme}.png"))
    assert grace.complaints == []
