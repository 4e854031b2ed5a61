"""The chat page in a real browser: what is said, and how it stays connected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from example_app.page import chat_page
from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer

from ..clients import Command
from ..conftest import Connect, Serve, Start
from .browser import Shown, wait_until
from .conftest import SCRIPT, Open, needs_chromium

pytestmark = needs_chromium

REFUSED = "net::ERR_CONNECTION_REFUSED"


def test_two_windows_chat_with_each_other(port: int, window: Open) -> None:
    ada, grace = window(port).is_called("Ada"), window(port).is_called("Grace")
    ada.say("Hello!")
    wait_until(lambda: grace.messages == [Shown(False, "Ada", "Hello!")])
    grace.say("Good morning.")
    talk = [Shown(True, "You", "Hello!"), Shown(False, "Grace", "Good morning.")]
    wait_until(lambda: ada.messages == talk)
    assert [each.own for each in grace.messages] == [False, True]
    assert ada.complaints == []
    assert grace.complaints == []


def test_own_messages_stand_right_and_others_left_with_their_times(
    port: int, window: Open, connect: Connect
) -> None:
    ada = window(port)
    connect(port).send("left")
    wait_until(lambda: ada.messages)
    ada.say("right")
    left, right = ada.browser.find_elements(By.CSS_SELECTOR, ".said")
    log = ada["messages"].rect
    assert left.rect["x"] == pytest.approx(log["x"], abs=1)
    assert left.rect["x"] + left.rect["width"] < log["x"] + log["width"] / 2
    assert right.rect["x"] > log["x"] + log["width"] / 2
    assert right.rect["x"] + right.rect["width"] == pytest.approx(log["x"] + log["width"], abs=1)
    times = ada.browser.find_elements(By.CSS_SELECTOR, ".message time")
    assert all(each.text and each.get_attribute("datetime") for each in times)
    assert len(times) == 2


def test_whatever_comes_is_shown_as_text(port: int, window: Open, connect: Connect) -> None:
    shown: dict[str | bytes, tuple[str, str]] = {
        "plain text": ("Someone", "plain text"),
        "<b>x</b><img src=x>": ("Someone", "<b>x</b><img src=x>"),
        '{"name": "<i>Eve</i>", "text": "<script>1</script>"}': (
            "<i>Eve</i>",
            "<script>1</script>",
        ),
        '{"name": " ", "text": "a\\n b"}': ("Anonymous", "a\n b"),
        '{"name": "Eve", "text": ""}': ("Someone", '{"name": "Eve", "text": ""}'),
        '{"name": 1, "text": 2}': ("Someone", '{"name": 1, "text": 2}'),
        "[1, 2]": ("Someone", "[1, 2]"),
        "null": ("Someone", "null"),
        '{"name"': ("Someone", '{"name"'),
        b"\0\1\2": ("Someone", "(a binary message of 3 bytes)"),
        "x" * 20_005: ("Someone", "x" * 20_000 + "… (5 more characters are not shown)"),
    }
    ada, other = window(port), connect(port)
    for sent in shown:
        other.send(sent)
    wait_until(lambda: len(ada.messages) == len(shown))
    assert ada.messages == [Shown(False, *each) for each in shown.values()]
    assert ada.run("return document.querySelectorAll('#log :is(b, i, img, script)').length") == 0
    assert ada.complaints == []


def test_what_goes_over_the_wire_is_json_with_name_and_text(
    port: int, window: Open, connect: Connect
) -> None:
    listener = connect(port)
    ada = window(port)
    ada.say("without a name")
    assert json.loads(listener.receive()) == {"name": "Anonymous", "text": "without a name"}
    ada.is_called("Ada").say('  "quoted"  ')
    assert json.loads(listener.receive()) == {"name": "Ada", "text": '"quoted"'}


def test_it_says_when_the_server_is_gone_and_comes_back_with_it(start: Start, window: Open) -> None:
    server = start(SCRIPT, "-p", "0")
    ada, grace = (window(server.port()) for _ in range(2))
    _stop(server)
    for each in (ada, grace):
        each.wait_for("Offline, retrying…")
        assert not each["send"].is_enabled()
        assert each["send"].text == "Offline"
        assert each["hint"].text.startswith("Not connected.")
        assert each.notes == ["The connection ended (1001, the server is shutting down)"]
    ada.say("written while offline")
    assert ada["text"].get_property("value") == "written while offline"
    assert ada.messages == []

    start(SCRIPT, "-p", str(server.port())).port()
    for each in (ada, grace):
        each.wait_for("Online")
        assert each.notes[1:] == ["Back online. What others wrote in between is not shown here"]
        assert all(REFUSED in complaint for complaint in each.complaints)
    ada["send"].click()
    wait_until(lambda: grace.messages == [Shown(False, "Anonymous", "written while offline")])
    assert ada["text"].get_property("value") == ""


def test_a_connection_lost_without_a_word_comes_back_too(start: Start, window: Open) -> None:
    server = start(SCRIPT, "-p", "0")
    ada = window(server.port())
    server.process.kill()
    server.wait()
    ada.wait_for("Offline, retrying…")
    assert ada.notes == ["The connection ended (1006)"]
    start(SCRIPT, "-p", str(server.port())).port()
    ada.wait_for("Online")
    assert all(REFUSED in complaint for complaint in ada.complaints)


def test_a_close_that_says_stay_away_is_heeded_until_the_user_asks(
    serve: Serve, window: Open, chains: None
) -> None:
    server, came = _serve_closing(serve, 1008, "not like this")
    ada = window(server)
    ada.say("something")
    ada.wait_for("Offline")
    assert ada.notes == ["The connection ended (1008, not like this)"]
    assert ada.browser.find_element(By.CSS_SELECTOR, ".own .doubt").text == "may not have arrived"
    assert not ada["send"].is_enabled()
    assert len(came) == 1
    ada["retry"].click()
    ada.wait_for("Online")
    wait_until(lambda: len(came) == 2)
    assert not ada["retry"].is_displayed()
    assert ada.complaints == []


@pytest.mark.parametrize("code", [1012, 1013])
def test_a_close_that_says_come_back_is_followed(
    code: int, serve: Serve, window: Open, chains: None
) -> None:
    server, came = _serve_closing(serve, code, "")
    ada = window(server)
    ada.say("something")
    wait_until(lambda: len(came) == 2)
    ada.wait_for("Online")
    assert ada.notes[0] == f"The connection ended ({code})"


def _serve_closing(serve: Serve, code: int, reason: str) -> tuple[int, list[Any]]:
    """A server that closes after the first message; its port, and the connections that came."""
    came: list[Any] = []

    class Come(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            came.append(web_socket_instance)

    class Close(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.close(code, reason)

    server: FilteredWebSocketServer = serve([Come, Close], {"application": chat_page})
    assert server.server_port
    return server.server_port, came


def _stop(server: Command) -> None:
    server.signal()
    assert server.wait() == 0
