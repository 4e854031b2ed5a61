"""Clients that send or connect more than the rates allow are closed, and no others."""

from __future__ import annotations

import pytest

from ..clients import Client, frame
from ..node.guarded import bearer
from ..tokens.issuing import SECRET, service
from .conftest import ECHO, Run
from .pages import refusal
from .ways import STOCK, Site

FILTERS = "import fws_gevent.filters.rate_limit\n" + ECHO

TOO_MANY = (1008, "more messages than the rate allows")

FEW = {"message_rate": 0.001, "rate_burst": 4000}
"""The rates for four messages at once, and hardly one more."""

PROXY = {"trusted_proxies": "127.0.0.1"}

TOKENS = {"auth": "required", "signing_key": SECRET}


def echoes(client: Client, count: int) -> bool:
    """Return whether `count` messages come back that are sent at once."""
    client.raw(frame(1, b"hello") * count)
    return all(client.receive() == "hello" for _ in range(count))


def is_closed(client: Client) -> bool:
    """Return whether one more message closes the connection."""
    client.send("one more")
    assert client.frame().close == TOO_MANY
    client.close(1008)
    return client.at_end()


def at(site: Site, address: str, subject: str | None = None) -> Client:
    """Return a client with an address that a proxy names."""
    token = [] if subject is None else bearer(service().issue(subject))
    return site.client(headers=[f"X-Forwarded-For: {address}", *token])


def test_a_connection_that_sends_too_much_is_closed(run: Run) -> None:
    site = run(FILTERS, **FEW)
    loud, other = site.client(), site.client()
    assert echoes(loud, 4)
    assert is_closed(loud)
    assert echoes(other, 4)


def test_a_connection_that_sends_too_many_bytes_is_closed(run: Run) -> None:
    site = run(FILTERS, message_rate=0, byte_rate=1, rate_burst=1000, shared_rate=100)
    loud, other = site.client(), site.client()
    loud.send("x" * 10_000)  # larger than the burst, and taken off the following ones
    assert loud.receive() == "x" * 10_000
    assert is_closed(loud)
    assert echoes(other, 4)


def test_a_flood_affects_its_sender_alone(run: Run) -> None:
    site = run(FILTERS, message_rate=100, rate_burst=1)
    other, loud = site.client(), site.client()
    loud.raw(frame(1, b"flood") * 20_000)
    while (got := loud.frame()).opcode != 8:
        assert got.payload == b"flood"
    assert got.close == TOO_MANY
    assert echoes(other, 4)


def test_the_connections_of_an_address_share_a_rate(run: Run) -> None:
    site = run(FILTERS, **FEW, **PROXY, shared_rate=2)
    crowd = [at(site, "192.0.2.1") for _ in range(3)]
    assert all(echoes(each, count) for each, count in zip(crowd, (4, 3, 1), strict=True))
    assert is_closed(crowd[2])
    assert echoes(at(site, "192.0.2.2"), 4)


def test_all_connections_have_one_address_without_a_trusted_proxy(run: Run) -> None:
    site = run(FILTERS, **FEW, shared_rate=1)
    assert echoes(at(site, "192.0.2.1"), 4)
    assert is_closed(at(site, "192.0.2.2"))


def test_the_connections_of_a_subject_share_a_rate(run: Run) -> None:
    site = run(FILTERS, **FEW, **PROXY, **TOKENS, shared_rate=2)
    crowd = [at(site, f"192.0.2.{number}", "ada") for number in range(3)]
    assert all(echoes(each, count) for each, count in zip(crowd, (4, 3, 1), strict=True))
    assert is_closed(crowd[2])
    assert echoes(at(site, "192.0.2.3", "bob"), 4)


# Connecting.


@pytest.mark.parametrize("counted", ["address", "subject"])
def test_a_client_that_connects_too_often_is_told_to_wait(counted: str, run: Run) -> None:
    by_subject = counted == "subject"
    site = run(FILTERS, connect_rate=2, **PROXY, **(TOKENS if by_subject else {}))

    def headers(number: int) -> tuple[str, ...]:
        """Return the same address for all, or another one each time with the same subject."""
        if not by_subject:
            return ("X-Forwarded-For: 192.0.2.1",)
        return (f"X-Forwarded-For: 192.0.2.{number}", *bearer(service().issue("ada")))

    clients = [site.client(headers=headers(number)) for number in range(2)]
    assert all(echoes(each, 1) for each in clients)
    refused, after = refusal(site, "/", headers(2))
    if site.way == STOCK:
        assert refused == 1008  # it has answered 101 before it asks
    else:
        assert refused == 429
        assert after is not None
        assert 1 <= int(after) <= 30
    assert all(echoes(each, 1) for each in clients)
    assert echoes(at(site, "192.0.2.9", "bob" if by_subject else None), 1)
