"""Who may open a WebSocket: so many at once, so many from one address, so often."""

from __future__ import annotations

from collections import Counter

from ..errors import ConnectsTooOften, NoRoom
from ..rates import Buckets, per_minute, retry_after
from ..settings import Settings


class Admission:
    """Counts a server's connections by the address of their client, and how often they come.

    An address is given as its key, which is one for all of an IPv6 /64 (see `Client.key`); it is
    "" for a client whose address is not known: over a socket file that no trusted proxy sends
    to, or behind a proxy that doesn't name it. Such a client counts with all others alone.
    `capacity` is how many there may be at once.
    """

    def __init__(self, settings: Settings) -> None:
        self.capacity = settings.max_connections
        self.live = 0
        """Connections whose disconnect event is still to come."""
        self._per_address = settings.max_connections_per_address
        self._by_address: Counter[str] = Counter()
        self._often: Buckets = per_minute(settings.connect_rate)

    @property
    def full(self) -> bool:
        """Whether no connection more is taken."""
        return self.live >= self.capacity

    def check(self, address: str) -> None:
        """Let a client in. Raises NoRoom, ConnectsTooOften."""
        if self.full:
            raise NoRoom
        if not address:
            return
        if self._per_address and self._by_address[address] >= self._per_address:
            raise NoRoom
        self._count(("address", address))

    def check_subject(self, subject: str) -> None:
        """Let in who proved to be `subject`. Raises ConnectsTooOften."""
        self._count(("subject", subject))

    def _count(self, key: tuple[str, str]) -> None:
        seconds = self._often.wait(key)
        if seconds:
            raise ConnectsTooOften(retry_after(seconds))

    def entered(self, address: str) -> bool:
        """Count a connection from `address`; return whether it is one more than may be.

        It may be, though `check` let it in: others came while its token was looked at, or while
        its upgrade was answered.
        """
        self.live += 1
        if self._per_address and address:
            self._by_address[address] += 1
        return self.live > self.capacity or (
            bool(address) and 0 < self._per_address < self._by_address[address]
        )

    def gone(self, address: str) -> None:
        """A connection from `address` ended."""
        self.live -= 1
        if self._per_address and address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
