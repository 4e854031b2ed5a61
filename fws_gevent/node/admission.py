"""Admission control: which requests become connections, and how a connection enters its node.

The three entry points (our server, our gunicorn worker, gunicorn's stock worker) all come here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..connection.closed import Closed
from ..connection.connection import Connection
from ..connection.host import Host
from ..connection.upgrade_context import PeerInfo, UpgradeContext
from ..errors import CloseCode, ConnectsTooOften, NotReady, StorageAway
from ..protocol.credentials import SUBPROTOCOL
from ..protocol.forwarded import Client
from ..protocol.handshake import Accepted, Policy, Request, negotiate
from ..settings import Settings
from ..tokens import Claims
from .access_log import log_close, log_open
from .guard import Guard
from .limits import ConnectionLimits
from .members import Users
from .shutdown import Shutdown


class Admitted(NamedTuple):
    """The outcome for an upgrade request: the fields of its answer, the claims of its token."""

    accepted: Accepted
    claims: Claims | None


class Admission:
    """Decides about the upgrade requests of one node, and lets their connections enter it.

    **Admit** is for a request that is not answered yet; all that may wait happens here. `admit`
    checks, in this order:

    1. that the node does not shut down, and that its process has room,
    2. the limits: connections in all, connections of the client's address, attempts of the address,
    3. the handshake: method, version, host and origin,
    4. the token or ticket, which may ask the shared storage,
    5. again what may have changed meanwhile: 1 and the numbers of connections in 2,
    6. attempts of the token's subject.

    **Enter** is for the socket of a request that was answered:

    1. `enter` registers the connection, without waiting, so that revocations, limits and the end
       of the node find it, and closes it if it came too late,
    2. `complete` has it join the group of its token, which may wait for the broker,
    3. and then checks once more that it is open and its token not revoked, before its events begin.

    The connection's first run calls `complete`. Where the token comes as the first message instead,
    `enter_with` does the same from there on.
    """

    def __init__(
        self,
        host: Host,
        users: Users,
        limits: ConnectionLimits,
        shutdown: Shutdown,
        guard: Guard | None,
        settings: Settings,
    ) -> None:
        self.limits = limits
        self.policy = policy_of(settings)
        self._host = host
        self._users = users
        self._shutdown = shutdown
        self._guard = guard
        self._token = settings.token

    def admit(
        self, request: Request, client: Client, check_worker: Callable[[], None] = lambda: None
    ) -> Admitted:
        """Decide about an upgrade request. May wait for the shared storage.

        Args:
            request: The head of the request.
            client: The client behind the socket's peer.
            check_worker: Raises NoRoom if the worker process has no room for a connection.

        Raises:
            HandshakeRefused: The request is refused, with this status and reason.
        """
        limits, guard = self.limits, self._guard
        self._shutdown.check()
        check_worker()
        limits.check(client.key)
        accepted = negotiate(request, self.policy, client.host)
        if guard is None:
            return Admitted(accepted, None)
        query = request.target.partition("?")[2]
        try:
            claims = guard.claims_of(request.headers, query)
        except StorageAway:
            raise NotReady from None
        self._shutdown.check()
        check_worker()
        limits.check_room(client.key)
        if claims is not None:
            limits.check_subject(claims.subject)
        return Admitted(accepted, claims)

    def enter(self, socket: Any, peer: PeerInfo, context: UpgradeContext) -> None:
        """Make a connection of a socket whose upgrade was answered. Never waits.

        Its events follow from here, in runners of the node's loop.
        """
        host = self._host
        connection = Connection(host, socket, peer, context)
        overrun = self.limits.add(connection.address_key)
        if self._guard is None or self._guard.take(connection, context.claims):
            self._users[connection.id] = connection
        host.reactor.add(connection.descriptor, connection)
        host.reactor.schedule(connection)
        log_open(connection)
        if self._shutdown.begun:
            connection.close(self._shutdown.code, self._shutdown.code.meaning)
        elif overrun:
            connection.close(CloseCode.TRY_AGAIN_LATER, "as many are connected as may be")

    def complete(self, connection: Connection) -> bool:
        """Let a registered connection join its group; return whether its events may begin.

        They may not while its token is awaited, nor if it has ended meanwhile. May wait for the
        broker and for the shared storage.
        """
        guard = self._guard
        if guard is None:
            if self._token is not None:
                connection.hold(self._token)
        elif guard.awaits(connection):
            return False
        connection.join_own_group()
        if guard is not None:
            guard.check_again(connection)
        return not connection.ending

    def leave(self, connection: Connection, closed: Closed) -> None:
        """Count the end of a connection, after its disconnect event."""
        self.limits.remove(connection.address_key)
        log_close(connection, closed)
        self._shutdown.note_end()

    def enter_with(self, connection: Connection, claims: Claims) -> None:
        """Let a connection enter whose first token came as a message. May wait as `complete` does.

        With `auth` optional it may have begun without a token.
        """
        guard = self._guard
        assert guard is not None
        try:
            self.limits.check_subject(claims.subject)
        except ConnectsTooOften as error:
            connection.close(CloseCode.POLICY_VIOLATION, str(error))
            return
        awaited = guard.take_first(connection, claims)
        if awaited:
            self._users[connection.id] = connection
        if not self.complete(connection):
            return
        connection.send("token:accepted")  # it may wait in here, and be closed meanwhile
        if awaited and not connection.ending:
            connection.begin()
            connection.widen()


def policy_of(settings: Settings) -> Policy:
    """Return what upgrade requests are granted."""
    known = tuple(dict.fromkeys((*settings.subprotocols, SUBPROTOCOL)))
    return Policy(settings.allowed_origins, known, settings.deflate == "on")
