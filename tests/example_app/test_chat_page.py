"""The chat page in a real browser, with real servers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from example_app.page import chat_page
from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer

from ..clients import ROOT, Command
from ..conftest import Connect, Serve, Start
from .browser import Shown, Window, chromium, wait_until

CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser: `chromium` is not on the PATH (Debian: apt install it)"
)

SCRIPT = str(ROOT / "example_app" / "chat_server.py")
REFUSED = "net::ERR_CONNECTION_REFUSED"

Open = Callable[[int], Window]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One Chromium for all tests here; each server's port is an origin of its own."""
    driver = shutil.which("chromedriver")
    assert CHROMIUM is not None
    assert driver is not None, "chromedriver is not on the PATH (Debian: chromium-driver)"
    with chromium(CHROMIUM, driver, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def window(browser: Chrome) -> Iterator[Open]:
    """Opens the chat page of a port in a new window and waits until it is online."""
    first = browser.current_window_handle
    yield lambda port: Window(browser, port).wait_for("Online")
    for handle in set(browser.window_handles) - {first}:
        browser.switch_to.window(handle)
        browser.close()
    browser.switch_to.window(first)


@pytest.fixture
def port(start: Start) -> int:
    """The port of an example server."""
    return start(SCRIPT, "-p", "0").port()


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


@pytest.mark.parametrize(
    ("sent", "who", "said"),
    [
        ("plain text", "Someone", "plain text"),
        ("<b>x</b><img src=x>", "Someone", "<b>x</b><img src=x>"),
        (
            '{"name": "<i>Eve</i>", "text": "<script>1</script>"}',
            "<i>Eve</i>",
            "<script>1</script>",
        ),
        ('{"name": " ", "text": "a\\n b"}', "Anonymous", "a\n b"),
        ('{"name": "Eve", "text": ""}', "Someone", '{"name": "Eve", "text": ""}'),
        ('{"name": 1, "text": 2}', "Someone", '{"name": 1, "text": 2}'),
        ("[1, 2]", "Someone", "[1, 2]"),
        ("null", "Someone", "null"),
        ('{"name"', "Someone", '{"name"'),
        (b"\0\1\2", "Someone", "(a binary message of 3 bytes)"),
        (
            "x" * 20_005,
            "Someone",
            "x" * 20_000 + "… (5 more characters are not shown)",
        ),
    ],
)
def test_whatever_comes_is_shown_as_text(
    sent: str | bytes, who: str, said: str, port: int, window: Open, connect: Connect
) -> None:
    ada = window(port)
    connect(port).send(sent)
    wait_until(lambda: ada.messages)
    assert ada.messages == [Shown(False, who, said)]
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(320, 568), (800, 400), (1920, 1080)])
def test_it_fits_phones_and_wide_screens(
    width: int, height: int, scheme: str, port: int, window: Open, connect: Connect, tmp_path: Path
) -> None:
    ada, other = window(port), connect(port)
    ada.is_sized(width, height, scheme)
    other.send(json.dumps({"name": "N" * 40, "text": "long" * 200}))
    wait_until(lambda: ada.messages)
    ada.say("an answer")
    ada.browser.save_screenshot(str(tmp_path / f"chat-{width}-{scheme}.png"))
    assert ada.run("return document.documentElement.scrollWidth") == width
    assert ada.run("const log = document.getElementById('log');"
                   "return log.scrollWidth - log.clientWidth") == 0  # fmt: skip
    for name in ("state", "name", "log", "text", "send"):
        box = ada[name].rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width, name
        assert box["y"] + box["height"] <= height, name
