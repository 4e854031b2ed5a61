"""chat.js in a real browser: messages, people, rooms and announcements."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from ..conftest import Start
from .browser import Shown, wait_until
from .conftest import SCRIPT, Meet, Open, needs_chromium

pytestmark = needs_chromium

NOISE = """
from fws_gevent.filters.base import WebSocketMessageFilter

class Noise(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data["type"] == "say":
            for text in ("[]", "null", '{"type": "constructor"}', "<i>plain</i> text"):
                web_socket_instance.broadcast(text)
"""


def test_two_people_chat_with_each_other(port: int, window: Open) -> None:
    ada, grace = window(port, "Ada"), window(port, "Grace")
    ada.say("Hello!")
    wait_until(lambda: grace.messages == [Shown(False, "Ada", "Hello!")])
    grace.say("Good morning.")
    talk = [Shown(True, "You", "Hello!"), Shown(False, "Grace", "Good morning.")]
    wait_until(lambda: ada.messages == talk)
    assert [each.own for each in grace.messages] == [False, True]
    assert ada.complaints == []
    assert grace.complaints == []


def test_own_messages_are_on_the_right_and_all_have_times(
    port: int, window: Open, meet: Meet
) -> None:
    ada = window(port, "Ada")
    meet(port, "Linus").say("left")
    wait_until(lambda: ada.messages)
    ada.say("right")
    wait_until(lambda: len(ada.messages) == 2)
    left, right = ada.browser.find_elements(By.CSS_SELECTOR, ".said")
    log = ada["messages"].rect
    assert left.rect["x"] == pytest.approx(log["x"], abs=1)
    assert left.rect["x"] + left.rect["width"] < log["x"] + log["width"] / 2
    assert right.rect["x"] > log["x"] + log["width"] / 2
    assert right.rect["x"] + right.rect["width"] == pytest.approx(log["x"] + log["width"], abs=1)
    times = ada.browser.find_elements(By.CSS_SELECTOR, ".message time")
    assert all(each.text and each.get_attribute("datetime") for each in times)
    assert len(times) == 2


def test_messages_from_another_window_of_the_user_are_own(port: int, window: Open) -> None:
    one, other = window(port, "Ada"), window(port, "Ada")
    other.say("from here")
    wait_until(lambda: one.messages == other.messages == [Shown(True, "You", "from here")])
    assert one.people == ["Ada (you)"]


def test_all_content_is_shown_as_text(port: int, window: Open, meet: Meet) -> None:
    name = "<i>Eve</i>"
    said = ["<b>x</b><img src=x>", "<script>1</script>", "a\n b", '{"type": "people"}']
    ada, eve = window(port, "Ada"), meet(port, name)
    for text in said:
        eve.say(text)
    wait_until(lambda: len(ada.messages) == len(said))
    assert [each.who for each in ada.messages] == [name] * len(said)
    assert [each.said for each in ada.messages] == said
    wait_until(lambda: ada.people == [name, "Ada (you)"])
    eve.post("/announce", text="<b>bold</b>")
    wait_until(lambda: ada["announced"].text == "<b>bold</b>")
    assert ada["announcer"].text == f"{name} announces:"
    assert (
        ada.run("return document.querySelectorAll(':is(b, i, #log img, #log script)').length") == 0
    )
    assert ada.complaints == []


def test_the_list_of_people_follows_joins_and_leaves(port: int, window: Open, meet: Meet) -> None:
    ada, grace = window(port, "Ada"), window(port, "Grace")
    wait_until(lambda: ada.people == ["Ada (you)", "Grace"])
    wait_until(lambda: grace.people == ["Ada", "Grace (you)"])
    assert ada.notes == ["You are in the lobby.", "Grace joined."]
    grace.close()
    wait_until(lambda: ada.people == ["Ada (you)"])
    assert ada.notes[2:] == ["Grace left."]
    linus = [meet(port, "Linus"), meet(port, "Linus")]
    wait_until(lambda: ada.people == ["Ada (you)", "Linus"])
    linus[0].drop()
    linus[1].say("still here")
    wait_until(lambda: ada.messages)
    assert ada.notes[3:] == ["Linus joined."]


def test_rooms_are_changed_with_a_button_and_a_refusal_is_shown(port: int, window: Open) -> None:
    linus = window(port, "Linus")
    wait_until(lambda: linus.room == "lobby")
    linus.say("in the lobby")
    linus.enter("garden")
    wait_until(lambda: linus.room == "garden")
    assert linus.messages == []
    linus.enter("staff")
    wait_until(lambda: linus.notes[1:] == ["The room staff is not open to you."])
    assert linus.room == "garden"
    linus.say("in the garden")
    wait_until(lambda: linus.messages)


def test_a_window_comes_back_to_its_room(port: int, window: Open) -> None:
    ada = window(port, "Ada")
    ada.enter("staff")
    wait_until(lambda: ada.room == "staff")
    ada.browser.refresh()
    wait_until(lambda: ada.people == ["Ada (you)"])
    assert ada.room == "staff"
    ada.run("sessionStorage.setItem('fws-chat-room', 'cellar')")
    ada.browser.refresh()
    wait_until(lambda: ada.people == ["Ada (you)"])
    assert ada.room == "lobby"
    assert ada.notes == ["The room cellar is not open to you.", "You are in the lobby."]


def test_a_refused_message_returns_to_the_field(port: int, window: Open) -> None:
    ada = window(port, "Ada")
    ada.say("GOOD MORNING")
    wait_until(lambda: ada["hint"].text == "Please don't shout: it is all in capitals.")
    assert ada["text"].get_property("value") == "GOOD MORNING"
    assert ada["text"].get_attribute("aria-invalid") == "true"
    assert ada.messages == []
    ada["text"].clear()
    ada.say("  good morning :tea: ")
    wait_until(lambda: ada.messages == [Shown(True, "You", "good morning ☕")])
    assert ada["hint"].text == ""
    assert ada["text"].get_attribute("aria-invalid") == "false"


def test_an_announcement_is_posted_and_shown_in_all_windows(port: int, window: Open) -> None:
    ada, grace = window(port, "Ada"), window(port, "Grace")
    grace.enter("garden")
    ada.browser.find_element(By.TAG_NAME, "summary").click()
    ada["announcement"].send_keys("The kitchen closes at five.\n")
    wait_until(lambda: ada["banner"].is_displayed() and grace["banner"].is_displayed())
    for each in (ada, grace):
        assert each["announcer"].text == "Ada announces:"
        assert each["announced"].text == "The kitchen closes at five."
    assert ada["announcement"].get_property("value") == ""
    grace["dismiss"].click()
    assert not grace["banner"].is_displayed()
    assert grace.browser.switch_to.active_element == grace["text"]
    ada["announcement"].send_keys("  \n")
    wait_until(lambda: ada["announce-hint"].text == "An announcement has 1 to 200 characters.")


def test_other_messages_are_notes_or_ignored(
    start: Start, window: Open, meet: Meet, tmp_path: Path
) -> None:
    (tmp_path / "noise.py").write_text(NOISE)
    port = start(SCRIPT, "-p", "0", "-f", "noise", cwd=tmp_path).port()
    ada, linus = window(port, "Ada"), meet(port, "Linus")
    wait_until(lambda: len(ada.people) == 2)
    linus.say("hello")
    wait_until(lambda: ada.messages)
    wait_until(lambda: ada.notes[-1] == "<i>plain</i> text")
    assert ada.notes == ["You are in the lobby.", "Linus joined.", "<i>plain</i> text"]
    assert ada.complaints == []
