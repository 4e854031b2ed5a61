"""Chromium for the tests of the chat page, and the example's server for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver import Chrome

from ..clients import ROOT
from ..conftest import Start
from .browser import Window, chromium

CHROMIUM = shutil.which("chromium")
SCRIPT = str(ROOT / "example_app" / "chat_server.py")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser: `chromium` is not on the PATH (Debian: apt install it)"
)

Open = Callable[[int], Window]


@pytest.fixture(scope="package")
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
