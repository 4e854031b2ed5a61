"""The client behind trusted proxies, and a log line for proxies that don't name it."""

from __future__ import annotations

from time import monotonic

from ..loggers import get_logger
from ..protocol.forwarded import Client, who_is
from ..protocol.handshake import Headers
from ..settings import Settings

_log = get_logger("server")

TOLD_EVERY = 60.0
"""Seconds between two lines about entries of X-Forwarded-For that can't be read."""

_SHOWN = 60  # characters of such an entry


class Forwarding:
    """Finds the client of each request, as `trusted_proxies` has it."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = settings.proxies
        self._unreadable = 0
        self._told_at: float | None = None

    def client_of(self, peer: str, headers: Headers) -> Client:
        """Return the client behind `peer`, the address of the socket's other end.

        An entry that can't be read is logged, at most every `TOLD_EVERY` seconds.
        """
        client = who_is(peer, headers, self._trusted)
        if client.unreadable is not None:
            self._unreadable += 1
            self._tell(peer, client.unreadable)
        return client

    def _tell(self, peer: str, entry: str) -> None:
        now = monotonic()
        if self._told_at is not None and now - self._told_at < TOLD_EVERY:
            return
        self._told_at = now
        _log.warning(
            "X-Forwarded-For from %s has an entry that is not an address: %r (%d such so far); "
            "no limit per address counts its clients; have the proxy write addresses",
            peer or "unix", entry[:_SHOWN], self._unreadable,
        )  # fmt: skip
