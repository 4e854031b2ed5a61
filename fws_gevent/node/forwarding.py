"""The client behind trusted proxies, and a log line for proxies that don't name it."""

from __future__ import annotations

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import Repeats, get_logger
from ..protocol.forwarded import Client, client_behind
from ..protocol.handshake import Headers
from ..settings import Settings

_log = get_logger("server")

LOGGED_EVERY = 60.0
"""Seconds between two log lines about entries of X-Forwarded-For that can't be read."""

_SHOWN = 60  # characters of such an entry


class Forwarding:
    """Finds the client of each request behind the proxies that the settings trust."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._trusted = settings.proxies
        self._repeats = Repeats(_log, most=1, seconds=LOGGED_EVERY, clock=clock)

    def client_of(self, peer: str, headers: Headers) -> Client:
        """Return the client behind `peer`, the address of the socket's other end.

        An entry that can't be read is logged, at most every `LOGGED_EVERY` seconds.
        """
        client = client_behind(peer, headers, self._trusted)
        if client.unreadable is not None and self._repeats.due():
            _log.warning(
                "X-Forwarded-For from %s has an entry that is not an address: %r; no limit per "
                "address counts its clients; have the proxy write addresses",
                peer or "unix", client.unreadable[:_SHOWN],
            )  # fmt: skip
        return client
