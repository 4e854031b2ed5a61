"""The status page in a real browser; its screenshots are kept in build/screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from werkzeug.security import generate_password_hash

from fws_gevent.broker.base import process_name
from fws_gevent.filters.base import StopChain, WebSocketMessageFilter
from tests.clients import ROOT, Client
from tests.conftest import Connect, Start, StartRedis
from tests.example_app.browser import chromium, wait_until

from .conftest import MakeSite
from .sites import Site

SCREENSHOTS = ROOT / "build" / "screenshots"
PASSWORD = "a password of the page's"

pytestmark = pytest.mark.needs("chromium", "chromedriver")

Open = Callable[..., Chrome]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def enter(browser: Chrome) -> Iterator[Open]:
    """Return a function that opens the status page and logs in: enter(site.origin)."""

    def log_in(origin: str, secret: str = PASSWORD) -> Chrome:
        browser.get(f"{origin}/fws/status")
        browser.find_element(By.NAME, "secret").send_keys(secret, Keys.ENTER)
        wait_until(lambda: text(browser, "words") == "Working")
        return browser

    yield log_in
    browser.get("about:blank")
    browser.delete_all_cookies()


class Quiet(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        if data == "psst":
            raise StopChain
        web_socket_instance.join("room:tea")
        web_socket_instance.send(data)


def text(browser: Chrome, name: str) -> str:
    """Return the text of an element; "" while the page is loading."""
    return "".join(each.text for each in browser.find_elements(By.ID, name))


def page(browser: Chrome) -> str:
    found: str = browser.find_element(By.TAG_NAME, "main").text
    return found


def shoot(browser: Chrome, name: str, width: int, height: int, scheme: str) -> None:
    """Save a screenshot of the whole page, and check that it doesn't scroll sideways."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    wait_until(lambda: browser.execute_script("return innerWidth") == width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


@pytest.fixture
def busy(make_site: MakeSite, connect: Connect) -> tuple[Site, list[Client]]:
    """Return a site with a password, and three clients in a room."""
    site = make_site([Quiet], admin_password=generate_password_hash(PASSWORD))
    clients = [site.dial(connect, site.token("ada", "room:*")) for _ in range(3)]
    for client in clients:
        client.send("hello")
        assert client.receive() == "hello"
    clients[0].send("psst")
    return site, clients


def test_it_shows_live_data(busy: tuple[Site, list[Client]], enter: Open) -> None:
    site, clients = busy
    browser = enter(site.origin)
    assert browser.title.startswith("● Working")
    for shown in ("Quiet", "room:tea", "memory (this process only)", "dropped by Quiet"):
        assert shown in page(browser), page(browser)
    assert "3 opened, 0 closed" in page(browser)
    clients[0].close()
    wait_until(lambda: "3 opened, 1 closed" in page(browser))
    for name, width, height in (("phone", 390, 844), ("small", 320, 568), ("wide", 1280, 1400)):
        for scheme in ("light", "dark"):
            shoot(browser, f"status-{name}-{scheme}", width, height, scheme)
    complaints = [entry for entry in browser.get_log("browser")  # type: ignore[no-untyped-call]
                  if entry["level"] == "SEVERE" and " 401 " not in entry["message"]]  # fmt: skip
    assert complaints == []


def test_it_shows_all_nodes_and_reported_gaps(
    make_site: MakeSite, enter: Open, start_redis: StartRedis
) -> None:
    process = start_redis()
    given = {"admin_password": generate_password_hash(PASSWORD), "redis_url": process.url}
    site, _ = (make_site([Quiet], **given) for _ in range(2))
    browser = enter(site.origin)
    nodes = browser.find_element(By.ID, "nodes-table")
    wait_until(lambda: nodes.text.count("Serving") == 2)
    assert f"{process_name()}this one" in nodes.text.replace(" this", "this")
    assert text(browser, "gaps").startswith("0")
    for name, width, height in (("nodes-phone", 390, 844), ("nodes-wide", 1280, 1400)):
        shoot(browser, f"status-{name}", width, height, "light")
    client = process.client()
    client.flushall()
    client.close()
    site.server.broadcast("after all was lost")
    wait_until(lambda: text(browser, "gaps").startswith("1"))


def test_it_polls_without_a_websocket(make_site: MakeSite, enter: Open) -> None:
    site = make_site([Quiet], admin_password=generate_password_hash(PASSWORD))
    site.server.node.side_nodes.clear()
    browser = enter(site.origin)
    wait_until(lambda: "polling" in text(browser, "freshness").lower())


def test_it_shows_that_the_server_is_gone(start: Start, enter: Open) -> None:
    environ = {"FWS_ADMIN_PASSWORD": generate_password_hash(PASSWORD)}
    command = start("-m", "fws_gevent", "-p", "0", environ=environ)
    browser = enter(f"http://127.0.0.1:{command.port()}")
    command.signal()
    assert command.wait() == 0
    wait_until(lambda: text(browser, "words") == "Not connected to the server")
    assert "last data" in text(browser, "freshness").lower()
    shoot(browser, "status-gone", 800, 600, "light")


def test_a_wrong_password_is_an_error_and_the_form_stays(
    make_site: MakeSite, browser: Chrome
) -> None:
    site = make_site(admin_password=generate_password_hash(PASSWORD))
    browser.get(f"{site.origin}/fws/status")
    shoot(browser, "status-log-in", 390, 844, "dark")
    browser.find_element(By.NAME, "secret").send_keys("a guess", Keys.ENTER)
    wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "[role=alert]"))
    assert "neither the password" in page(browser)
    assert browser.find_element(By.NAME, "secret").get_attribute("value") == ""


def test_a_token_with_the_scope_opens_it_and_log_out_closes_it(
    make_site: MakeSite, enter: Open
) -> None:
    site = make_site()
    browser = enter(site.origin, site.token("ops", scope="status"))
    reached = []
    for _ in range(3):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.switch_to.active_element)
    button = next(each for each in reached if each.text == "Log out")
    button.send_keys(Keys.ENTER)
    wait_until(lambda: browser.find_elements(By.NAME, "secret"))
    browser.get(f"{site.origin}/fws/status")
    assert browser.find_elements(By.NAME, "secret")
