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
"""The folder of the screenshots."""
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
    """Run one Chromium for all tests here; each port of a server is another origin."""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def window(browser: Chrome) -> Iterator[Open]:
    """Return a function that opens a window with a logged-in user, and waits until it is online."""
    first = browser.current_window_handle
    yield lambda port, name: Window(browser, port, name).wait_for("Online")
    for handle in set(browser.window_handles) - {first}:
        browser.switch_to.window(handle)
        browser.close()
    browser.switch_to.window(first)
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # or the next test would see it


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Return a function that logs a person in, without a browser: meet(port, "Ada", "garden")."""
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
    """Start the server of the example."""
    return start(SCRIPT, "-p", "0")


@pytest.fixture
def port(server: Command) -> int:
    """Return its port."""
    return server.port()
