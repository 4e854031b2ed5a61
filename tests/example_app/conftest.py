"""Chromium for the tests of the example, the example's server, and people who talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver import Chrome

from example_app.app import log_arrival
from fws_gevent import signals

from ..clients import ROOT, Command
from ..conftest import Start
from .browser import Window, chromium
from .person import Person

SCRIPT = str(ROOT / "example_app" / "chat_server.py")
SCREENSHOTS = ROOT / "build" / "screenshots"
"""Where pictures are kept for a person to look at."""
SCREENSHOTS.mkdir(parents=True, exist_ok=True)

needs_chromium = pytest.mark.needs("chromium", "chromedriver")

Open = Callable[[int, str], Window]
Meet = Callable[..., Person]


@pytest.fixture(autouse=True)
def _no_arrivals_of_others() -> Iterator[None]:
    yield
    signals.client_connected.disconnect(log_arrival)  # or it would hear of all tests after this


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One Chromium for all tests here; each server's port is an origin of its own."""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def window(browser: Chrome) -> Iterator[Open]:
    """Opens a window in which somebody is logged in, and waits until it is online."""
    first = browser.current_window_handle
    yield lambda port, name: Window(browser, port, name).wait_for("Online")
    for handle in set(browser.window_handles) - {first}:
        browser.switch_to.window(handle)
        browser.close()
    browser.switch_to.window(first)
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # or the next test would see it


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Somebody who is logged in and in a room, without a browser: meet(port, "Ada", "garden")."""
    met: list[Person] = []

    def one(port: int, name: str, room: str | None = "lobby") -> Person:
        person = Person(port, name)
        met.append(person)
        person.connect()
        if room is not None:
            person.enter(room)
        return person

    yield one
    for each in met:
        each.drop()


@pytest.fixture
def server(start: Start) -> Command:
    """The example's server."""
    return start(SCRIPT, "-p", "0")


@pytest.fixture
def port(server: Command) -> int:
    """Its port."""
    return server.port()
