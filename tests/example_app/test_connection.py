"""connection.js in a real browser: tokens and reconnections."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from ..clients import Command
from ..conftest import Start
from .browser import Shown, wait_until
from .conftest import SCRIPT, Meet, Open, needs_chromium

pytestmark = needs_chromium

REFUSED = "net::ERR_CONNECTION_REFUSED"
KEYS = {"SECRET_KEY": "s" * 32, "FWS_SIGNING_KEY": "k" * 32}

CLOSER = """
from fws_gevent.filters.base import WebSocketMessageFilter

class Closer(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        word, _, code = data.get("text", "").partition(" ")
        if word == "close":
            web_socket_instance.close(int(code), "as asked")
"""


def _openings(server: Command) -> int:
    return server.output.count(" open ")


def test_it_shows_that_the_server_is_gone_and_reconnects(start: Start, window: Open) -> None:
    server = start(SCRIPT, "-p", "0", environ=KEYS)
    ada, grace = (window(server.port(), name) for name in ("Ada", "Grace"))
    ada.enter("garden")
    wait_until(lambda: ada.room == "garden")
    server.signal()
    assert server.wait() == 0
    for each in (ada, grace):
        each.wait_for("Offline, retrying…")
        assert not each["send"].is_enabled()
        assert each["send"].text == "Offline"
        assert each["hint"].text.startswith("Not connected.")
        assert each.people == []
        assert each.notes[-1] == "The connection ended (1001, the server is shutting down)."
    ada.say("written while offline")
    assert ada["text"].get_property("value") == "written while offline"

    start(SCRIPT, "-p", str(server.port()), environ=KEYS).port()
    for each in (ada, grace):
        each.wait_for("Online")
        assert each.notes[-1] == "Back online. Messages sent in between are not shown."
        assert all(REFUSED in complaint for complaint in each.complaints)
    wait_until(lambda: ada.people == ["Ada (you)"])
    assert ada.room == "garden"
    ada["send"].click()
    wait_until(lambda: ada.messages == [Shown(True, "You", "written while offline")])
    assert ada["text"].get_property("value") == ""


def test_a_connection_lost_without_a_close_reconnects(start: Start, window: Open) -> None:
    server = start(SCRIPT, "-p", "0", environ=KEYS)
    ada = window(server.port(), "Ada")
    server.process.kill()
    server.wait()
    ada.wait_for("Offline, retrying…")
    assert ada.notes[-1] == "The connection ended (1006)."
    start(SCRIPT, "-p", str(server.port()), environ=KEYS).port()
    ada.wait_for("Online")
    assert all(REFUSED in complaint for complaint in ada.complaints)


def test_a_session_that_ended_with_the_server_leads_to_the_log_in_page(
    start: Start, window: Open
) -> None:
    server = start(SCRIPT, "-p", "0")
    ada = window(server.port(), "Ada")
    server.signal()
    assert server.wait() == 0
    start(SCRIPT, "-p", str(server.port())).port()
    wait_until(lambda: ada.is_at("login"))


def test_a_token_is_renewed_on_the_open_socket(start: Start, window: Open) -> None:
    server = start(SCRIPT, "-p", "0", environ={"FWS_TOKEN_TTL": "4"})
    ada = window(server.port(), "Ada")
    wait_until(lambda: server.output.count("POST /fws/token 200") >= 4)  # 6 s
    ada.say("still here")
    wait_until(lambda: ada.messages)
    assert ada.state == "Online"
    assert _openings(server) == 1
    assert ada.notes == ["You are in the lobby."]
    assert ada.complaints == []


def test_log_out_ends_the_other_windows_too(port: int, window: Open) -> None:
    one, other, grace = window(port, "Ada"), window(port, "Ada"), window(port, "Grace")
    wait_until(lambda: grace.people == ["Ada", "Grace (you)"])
    one["log-out"].click()
    wait_until(lambda: one.is_at("login") and other.is_at("login"))
    wait_until(lambda: grace.people == ["Grace (you)"])
    assert grace.state == "Online"


def test_a_log_out_elsewhere_with_the_same_name_is_survived(
    port: int, window: Open, meet: Meet
) -> None:
    ada, elsewhere = window(port, "Ada"), meet(port, "Ada")
    elsewhere.post("/logout")
    wait_until(lambda: "Back online. Messages sent in between are not shown." in ada.notes)
    assert ada.state == "Online"


@pytest.fixture
def closing(start: Start, tmp_path: Path) -> Command:
    """Start a server that closes a connection with a code on request: `close 1008`."""
    (tmp_path / "closer.py").write_text(CLOSER)
    return start(SCRIPT, "-p", "0", "-f", "closer", cwd=tmp_path)


@pytest.mark.parametrize("code", [1008, 4403])
def test_after_a_final_close_code_only_the_user_reconnects(
    code: int, closing: Command, window: Open
) -> None:
    ada = window(closing.port(), "Ada")
    ada.say(f"close {code}")
    ada.wait_for("Offline")
    assert ada.notes[-1] == f"The connection ended ({code}, as asked)."
    assert not ada["send"].is_enabled()
    assert not ada.browser.find_element(By.CSS_SELECTOR, "[data-room]").is_enabled()
    assert _openings(closing) == 1
    ada["retry"].click()
    ada.wait_for("Online")
    wait_until(lambda: _openings(closing) == 2)
    assert not ada["retry"].is_displayed()
    assert ada.complaints == []


@pytest.mark.parametrize("code", [1012, 1013])
def test_after_a_temporary_close_code_it_reconnects(
    code: int, closing: Command, window: Open
) -> None:
    ada = window(closing.port(), "Ada")
    ada.say(f"close {code}")
    wait_until(lambda: _openings(closing) == 2)
    ada.wait_for("Online")
    assert f"The connection ended ({code}, as asked)." in ada.notes


def test_a_new_token_is_tried_once(closing: Command, window: Open) -> None:
    ada = window(closing.port(), "Ada")
    ada.say("close 4401")
    wait_until(lambda: _openings(closing) == 2)
    ada.wait_for("Online")
    ada.say("close 4401")
    ada.wait_for("Offline")
    assert _openings(closing) == 2


def test_messages_that_may_be_lost_are_named(server: Command, window: Open) -> None:
    ada = window(server.port(), "Ada")
    server.process.send_signal(19)  # SIGSTOP: it takes what is sent, and doesn't answer
    ada.say("into the void")
    server.process.kill()
    ada.wait_for("Offline, retrying…")
    assert "This may not have arrived: into the void" in ada.notes
