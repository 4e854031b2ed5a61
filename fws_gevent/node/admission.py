"""Who may open a WebSocket: so many at once, so many from one address, so often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import CloseCode, ConnectsTooOften, NoRoom, ShuttingDown
from ..protocol.credentials import SUBPROTOCOL
from ..protocol.forwarded import Client
from ..protocol.handshake import Accepted, Policy, Request, negotiate
from ..settings import Settings
from ..tokens import Claims
from .rates import Buckets, per_minute, retry_after

if TYPE_CHECKING:
    from .node import Server


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
        """Return whether no connection more is taken."""
        return self.live >= self.capacity

    def check(self, address: str) -> None:
        """Let a client in. Raises NoRoom, ConnectsTooOften."""
        self.check_room(address)
        if address:
            self._count(("address", address))

    def check_room(self, address: str) -> None:
        """Look whether there is room for one more connection from `address`. Raises NoRoom."""
        if self.full:
            raise NoRoom
        if address and self._per_address and self._by_address[address] >= self._per_address:
            raise NoRoom

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


def policy_of(settings: Settings) -> Policy:
    """Return the policy by which upgrade requests are negotiated."""
    known = tuple(dict.fromkeys((*settings.subprotocols, SUBPROTOCOL)))
    return Policy(settings.allowed_origins, known, settings.deflate == "on")


def admit(
    serving: Server,
    node: Server,
    request: Request,
    policy: Policy,
    client: Client,
    check_worker: Callable[[], None] = lambda: None,
) -> tuple[Accepted, Claims | None]:
    """Grant an upgrade request: what each entry point asks before it answers one.

    `serving` is the server that the process runs, `node` the one that the request's path names:
    the same, or one of its annexes. `check_worker` raises NoRoom where the process has no room.
    What may have changed while the token was checked, which can wait for Redis, is checked again.

    Returns the fields of the answer, and the claims of the token, if one came. Raises
    HandshakeRefused.
    """

    def check_open() -> None:
        # Before a restart nobody is refused: a connection that comes now is told to come back.
        if serving.draining and serving.end_code is not CloseCode.SERVICE_RESTART:
            raise ShuttingDown
        check_worker()

    check_open()
    node.admission.check(client.key)
    accepted = negotiate(request, policy, client.host)
    query = request.target.partition("?")[2]
    claims = node.authenticate(request.headers, query)
    check_open()
    node.admission.check_room(client.key)
    return accepted, claims
