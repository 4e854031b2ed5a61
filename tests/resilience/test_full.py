"""A full server refuses the next client at once, and its pages still answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..clients import Client
from ..waiting import until
from .conftest import ECHO, Run
from .pages import WS, metric, page, refusal, with_pages
from .ways import STOCK, Site


@pytest.fixture
def no_room(way: str) -> tuple[int, str | None]:
    """Return the refusal of a client for which there is no room."""
    # The stock worker has answered 101 before it asks, so the refusal is a close code.
    return (1013, None) if way == STOCK else (503, "5")


def echoes(client: Client) -> bool:
    client.send("still here?")
    return client.receive() == "still here?"


def gets_in(site: Site, headers: tuple[str, ...] = ()) -> bool:
    """Return whether there is room for one more client, which stays."""
    return echoes(site.client(WS, headers=headers))


def await_connections(site: Site, number: int) -> None:
    until(lambda: metric(site, "fws_connections") == number)


def at(address: str) -> tuple[str, ...]:
    return (f"X-Forwarded-For: {address}",)


def test_a_client_without_room_is_refused_and_the_others_and_the_pages_go_on(
    run: Run, way: str, tmp_path: Path, no_room: tuple[int, str | None]
) -> None:
    site = run(ECHO, more=with_pages(way, tmp_path), max_connections=2)
    one, two = site.client(WS), site.client(WS)
    assert echoes(one)
    assert echoes(two)
    for _ in range(3):
        assert refusal(site) == no_room
    assert page(site, "/fws/healthz") == (200, "ok\n")
    assert echoes(one)
    assert echoes(two)
    one.drop()
    await_connections(site, 1)
    assert gets_in(site)
    assert echoes(two)
    assert refusal(site) == no_room


def test_each_address_has_its_share_of_the_room(
    run: Run, way: str, tmp_path: Path, no_room: tuple[int, str | None]
) -> None:
    site = run(
        ECHO, more=with_pages(way, tmp_path), max_connections_per_address=2,
        trusted_proxies="127.0.0.1",
    )  # fmt: skip
    greedy = [site.client(WS, headers=at("192.0.2.1")) for _ in range(2)]
    assert all(map(echoes, greedy))
    assert refusal(site, headers=at("192.0.2.1")) == no_room
    # The client itself wrote the entries before that of the proxy, which are not trusted.
    assert refusal(site, headers=at("203.0.113.7, 192.0.2.1")) == no_room
    assert gets_in(site, at("192.0.2.2"))
    assert page(site, "/fws/healthz") == (200, "ok\n")
    greedy[0].close()
    assert greedy[0].frame().close[0] == 1000
    await_connections(site, 2)
    assert gets_in(site, at("192.0.2.1"))
    assert echoes(greedy[1])


def test_without_a_trusted_proxy_the_address_is_that_of_the_connection(
    run: Run, way: str, tmp_path: Path, no_room: tuple[int, str | None]
) -> None:
    site = run(ECHO, more=with_pages(way, tmp_path), max_connections_per_address=1)
    assert gets_in(site, at("192.0.2.1"))
    assert refusal(site, headers=at("192.0.2.2")) == no_room
