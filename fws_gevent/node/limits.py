"""The limits on connections of a node: so many at once, so many of one address, so often."""

from __future__ import annotations

from collections import Counter

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ConnectsTooOften, NoRoom
from ..settings import Settings
from .rates import Buckets, per_minute, retry_after


class ConnectionLimits:
    """Counts connections by the address of their client, and how often they come.

    An address is given as its key, which is one for all of an IPv6 /64 (see `Client.key`). It is
    "" for a client whose address is not known: over a socket file that no trusted proxy sends
    to, or behind a proxy that doesn't name it. Such a client counts towards `capacity` alone, the
    number of connections that there may be at once.
    """

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self.capacity = settings.max_connections
        self.live = 0
        """Connections whose disconnect event is still to come."""
        self._per_address = settings.max_connections_per_address
        self._by_address: Counter[str] = Counter()
        self._often: Buckets = per_minute(settings.connect_rate, clock)

    @property
    def full(self) -> bool:
        """Return whether there is no room for another connection."""
        return self.live >= self.capacity

    def check(self, address: str) -> None:
        """Count an attempt to connect from `address`. Raises NoRoom, ConnectsTooOften."""
        self.check_room(address)
        if address:
            self._count(("address", address))

    def check_room(self, address: str) -> None:
        """Raise NoRoom unless there is room for another connection from `address`."""
        if self.full:
            raise NoRoom
        if address and self._per_address and self._by_address[address] >= self._per_address:
            raise NoRoom

    def check_subject(self, subject: str) -> None:
        """Count an attempt to connect by the subject of a token. Raises ConnectsTooOften."""
        self._count(("subject", subject))

    def _count(self, key: tuple[str, str]) -> None:
        seconds = self._often.wait(key)
        if seconds:
            raise ConnectsTooOften(retry_after(seconds))

    def add(self, address: str) -> bool:
        """Count a connection from `address`; return whether that is one more than allowed.

        It can be, though there was room before: others came while its token was checked, or while
        its upgrade was answered.
        """
        self.live += 1
        if self._per_address and address:
            self._by_address[address] += 1
        return self.live > self.capacity or (
            bool(address) and 0 < self._per_address < self._by_address[address]
        )

    def remove(self, address: str) -> None:
        """Count the end of a connection from `address`."""
        self.live -= 1
        if self._per_address and address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
