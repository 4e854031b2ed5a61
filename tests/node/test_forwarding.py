"""The client behind trusted proxies, as a node finds it."""

from __future__ import annotations

import logging

import pytest

from fws_gevent.node.forwarding import Forwarding
from fws_gevent.protocol.forwarded import Client
from fws_gevent.protocol.handshake import Headers
from fws_gevent.settings import Settings

PROXY = "10.0.0.1"


def entries(text: str) -> Headers:
    return Headers([("X-Forwarded-For", text)])


def made() -> Forwarding:
    return Forwarding(Settings(trusted_proxies=(PROXY, "unix")))


def test_the_trusted_proxies_of_the_settings_count() -> None:
    assert made().client_of(f"::ffff:{PROXY}", entries("192.0.2.1:80")) == Client("192.0.2.1")
    assert made().client_of("10.0.0.2", entries("192.0.2.1")) == Client("10.0.0.2")


def test_an_entry_that_can_not_be_read_is_logged_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "fws_gevent.server")
    found = made()
    for _ in range(3):
        found.client_of(PROXY, entries("192.0.2.1, garbage\n" + "x" * 500))
    (said,) = caplog.messages
    assert said.startswith(f"X-Forwarded-For from {PROXY} has an entry")
    assert "'garbage" in said
    assert "\n" not in said
    assert len(said) < 300


def test_a_proxy_at_a_socket_file_is_named_unix(caplog: pytest.LogCaptureFixture) -> None:
    made().client_of("", entries("garbage"))
    assert "X-Forwarded-For from unix has an entry" in caplog.text


def test_readable_entries_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fws_gevent.server")
    made().client_of(PROXY, entries("garbage, 192.0.2.1"))
    made().client_of("10.0.0.2", entries("garbage"))
    assert caplog.records == []
