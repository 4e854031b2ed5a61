"""Headless Chromium, and its windows with the chat page."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from ..clients import PATIENCE
from ..programs import path_of

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


@contextmanager
def chromium(folder: Path) -> Iterator[Chrome]:
    """Run Chromium with an empty profile in `folder`, and end it."""
    options = Options()
    options.binary_location = path_of("chromium")
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Both paths are given, or Selenium would look for a driver on the network.
    service = Service(path_of("chromedriver"), env={**os.environ, "HOME": str(folder)})
    browser = Chrome(options, service)
    process = int(browser.capabilities["goog:processID"])
    try:
        yield browser
    finally:
        try:
            browser.quit()
        finally:
            _see_it_end(process)


def _see_it_end(process: int) -> None:
    with suppress(AssertionError):
        wait_until(lambda: not _is_running(process))
        return
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], Any]) -> None:
    """Poll until `condition` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "that did not come"
        time.sleep(0.02)


class Shown(NamedTuple):
    """A message as it is shown."""

    own: bool
    who: str
    said: str


class Window:
    """A window with the example's page.

    Each person has a host of their own, such as ada.localhost, and so cookies of their own.
    """

    def __init__(self, browser: Chrome, port: int, name: str) -> None:
        self._browser = browser
        browser.switch_to.new_window("window")
        self._handle = browser.current_window_handle
        self.url = f"http://{name.lower()}.localhost:{port}/"
        browser.get(self.url)
        if self.is_at("login"):
            self["name"].send_keys(name, Keys.ENTER)
            wait_until(lambda: self.is_at(""))

    def close(self) -> None:
        """Close the window."""
        self.browser.close()
        self._browser.switch_to.window(self._browser.window_handles[0])

    def is_at(self, path: str) -> bool:
        """Return whether it shows the page at a path."""
        return self.browser.current_url == self.url + path

    @property
    def browser(self) -> Chrome:
        """Return the browser, with this window in front."""
        if self._browser.current_window_handle != self._handle:
            self._browser.switch_to.window(self._handle)
        return self._browser

    def __getitem__(self, name: str) -> WebElement:
        """Return the element with this id."""
        return self.browser.find_element(By.ID, name)

    def run(self, script: str, *arguments: Any) -> Any:
        """Return the result of a script."""
        return self.browser.execute_script(script, *arguments)

    @property
    def state(self) -> str:
        """The state of the connection, as it is shown."""
        return self["state"].text

    @property
    def messages(self) -> list[Shown]:
        """The messages, without the notes between them."""
        found = self.run(
            "return [...document.querySelectorAll('.message')].map((entry) => ["
            "  entry.classList.contains('own'),"
            "  entry.querySelector('.who').textContent,"
            "  entry.querySelector('.said').textContent])"
        )
        return [Shown(*each) for each in found]

    @property
    def notes(self) -> list[str]:
        """The notes between the messages, without their times."""
        return self._texts(".note", "firstChild.textContent.trim()")

    @property
    def people(self) -> list[str]:
        """The people in the room, as they are shown."""
        return self._texts("#people li", "textContent")

    @property
    def room(self) -> str:
        """The room whose button is pressed."""
        (room,) = self._texts("#rooms [aria-pressed=true]", "dataset.room")
        return room

    def _texts(self, selector: str, what: str) -> list[str]:
        script = f"return [...document.querySelectorAll(arguments[0])].map((each) => each.{what})"
        found: list[str] = self.run(script, selector)
        return found

    @property
    def complaints(self) -> list[str]:
        """Return the new lines in the console of the browser."""
        entries = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]

    def wait_for(self, state: str) -> Window:
        """Wait for a state of the connection."""
        wait_until(lambda: self.state == state)
        return self

    def enter(self, room: str) -> None:
        """Press a room's button."""
        self.browser.find_element(By.CSS_SELECTOR, f"[data-room={room}]").click()

    def say(self, text: str) -> None:
        """Write a message and press Enter."""
        self["text"].send_keys(text, Keys.ENTER)

    def is_sized(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the size and the colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        wait_until(lambda: self.run("return innerWidth") == width)
