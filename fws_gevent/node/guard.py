"""Who may open a connection, which groups it may join, and how long it may stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..errors import (
    CloseCode,
    ConnectsTooOften,
    StorageAway,
    TokenInvalid,
    TokenRefused,
)
from ..message import Message
from ..protocol.credentials import find_credentials
from ..protocol.handshake import Headers
from ..protocol.receiver import Limits
from ..signals import Route
from ..tokens import Claims, Tokens
from ..tokens.store import Revocation

if TYPE_CHECKING:
    from ..connection.connection import Connection
    from .node import Server

PREFIX = b"token:"
"""Begins a text message that is a token."""

SWEEP = 1024
"""Connections that a revocation looks at before others have their turn."""

PENDING_SIZE = 16 * 1024
"""Bytes that a connection may send until its token came; a token has half of that at most."""

_LONGEST = 86400.0  # seconds ahead that a deadline is set; a later one is set again then


class Stay:
    """One connection's right to stay, until its token ends, or until it must have brought one."""

    __slots__ = ("connection", "due", "guard", "until")

    def __init__(self, guard: Guard, connection: Connection, until: float) -> None:
        self.guard = guard
        self.connection = connection
        self.until = until
        self.due = 0

    def on_due(self) -> None:
        """The token ended, or none came; unless a new one came meanwhile."""
        self.guard.on_due(self)


class Guard:
    """Asks for tokens: one server's, with `auth` "optional" or "required".

    A connection that must still bring its token is `pending`: no filter, bus or broadcast knows
    of it until the token is there, which is the first message then.
    """

    def __init__(self, server: Server, tokens: Tokens) -> None:
        self.tokens = tokens
        self.required = server.settings.auth == "required"
        self.pending: dict[str, Connection] = {}
        self._server = server
        settings = server.settings
        self._limits = Limits(min(settings.max_message_size, PENDING_SIZE), settings.max_fragments)
        self._stays: dict[str, Stay] = {}
        tokens.listen(self._on_revoked)

    # At the door.

    def claims_of(self, headers: Headers, query: str) -> Claims | None:
        """The claims of the token or ticket that an upgrade request carries, None without.

        Raises TokenRefused (401) for one that is not valid, HandshakeRefused for more than one.
        """
        found = find_credentials(headers, query)
        if found.ticket is not None:
            check = partial(self.tokens.redeem, found.ticket)
        elif found.token is not None:
            check = partial(self.tokens.verify, found.token)
        else:
            return None
        try:
            return check()
        except TokenInvalid as error:
            raise refused(error) from None

    def enter(self, connection: Connection, claims: Claims | None) -> bool:
        """Take a new connection in; return whether it may begin, or is pending. Never waits."""
        if claims is not None:
            self._hold(connection, claims)
        elif self.required:
            self.pending[connection.id] = connection
            connection.restrict(self._limits, PENDING_SIZE)
            self._set(connection, time.time() + self.tokens.settings.token_timeout)
            return False
        return True

    def let_in(self, connection: Connection) -> bool:
        """Have a connection join its subject's group; return False while its token is awaited.

        Its token is looked at again, and the connection closed if it was revoked before the
        connection was where a revocation finds it. May wait for the broker and for the shared
        storage.
        """
        if connection.id in self.pending:
            return False
        connection.join_own_group()
        self._check_again(connection)
        return True

    def _check_again(self, connection: Connection) -> None:
        claims = connection.token
        if not isinstance(claims, Claims):
            return
        try:
            self.tokens.check_not_revoked(claims)
        except StorageAway:
            connection.close(CloseCode.TRY_AGAIN_LATER, "tokens can't be checked now")
        except TokenInvalid as error:
            self._turn_away(connection, str(error))

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        self.pending.pop(connection.id, None)
        stay = self._stays.pop(connection.id, None)
        if stay is not None:
            self._server.wheel.cancel(stay)

    # In the stream of messages.

    def before(self, route: Route) -> Gate:
        """The way to `route`, with the tokens taken out: they are nobody else's to see."""
        return Gate(self, route)

    def on_message(self, connection: Connection, message: Message) -> None:
        """A message that is a token, or anything from a connection that is still to bring one."""
        pending = connection.id in self.pending
        if message.binary or not message.startswith(PREFIX):
            self._turn_away(connection, "the first message must be token: and a token")
            return
        try:
            claims = self.tokens.verify(message[len(PREFIX) :].decode().strip())
        except StorageAway:
            connection.close(CloseCode.TRY_AGAIN_LATER, "tokens can't be checked now")
            return
        except TokenInvalid as error:
            if pending:
                self._turn_away(connection, str(error))
            else:
                connection.send(f"token:refused {error}")
            return
        if connection.ending:
            return  # lost, or closed, while the token was checked
        held = connection.token
        if isinstance(held, Claims):
            self._renew(connection, held, claims)
        else:
            self._first(connection, claims)

    def _renew(self, connection: Connection, held: Claims, claims: Claims) -> None:
        """Give a connection the new token of its subject."""
        if held.subject != claims.subject:
            connection.send("token:refused the token is for another subject")
            return
        self._hold(connection, claims)
        for group in connection.groups:
            if not claims.may_join(group):
                connection.leave(group)
        self._check_again(connection)
        connection.send("token:accepted")

    def _first(self, connection: Connection, claims: Claims) -> None:
        """Give a connection its first token, and let it begin if it was pending."""
        try:
            self._server.admission.check_subject(claims.subject)
        except ConnectsTooOften as error:
            connection.close(CloseCode.POLICY_VIOLATION, str(error))
            return
        pending = self.pending.pop(connection.id, None) is not None
        self._hold(connection, claims)
        if pending:
            self._server.users[connection.id] = connection
        if connection.enter():
            connection.send("token:accepted")  # it may wait in here, and be closed meanwhile
            if pending and not connection.ending:
                connection.begin()
                connection.widen()

    # The end of a stay.

    def on_due(self, stay: Stay) -> None:
        """A deadline came: it is the end, or only as far ahead as deadlines are set."""
        connection = stay.connection
        if time.time() < stay.until:
            self._schedule(stay)
        elif connection.id in self.pending:
            self._turn_away(connection, "no token came in time")
        else:
            self._turn_away(connection, "the token has expired")

    def _on_revoked(self, revocation: Revocation) -> None:
        """In whatever greenlet or thread: something was revoked."""
        reactor = self._server.reactor
        if not reactor.started:
            return
        if reactor.elsewhere():
            reactor.call_here(self._end_revoked, revocation)
        else:
            self._end_revoked(revocation)

    def _end_revoked(self, revocation: Revocation) -> None:
        # All of them, for a filter may have taken some out of their subject's group.
        self._sweep(revocation, iter(self._server.users.values()))

    def _sweep(self, revocation: Revocation, left: Iterator[Connection]) -> None:
        """Close those that a revocation hits, of the next SWEEP connections and then of the others.

        One that comes meanwhile looks at its token itself when it enters.
        """
        batch = tuple(islice(left, SWEEP))
        for connection in batch:
            claims = connection.token
            if isinstance(claims, Claims) and _is_hit(claims, revocation):
                self._turn_away(connection, "the token was revoked")
        if len(batch) == SWEEP:
            self._server.reactor.later(partial(self._sweep, revocation, left))

    def _hold(self, connection: Connection, claims: Claims) -> None:
        connection.hold(claims)
        self._set(connection, claims.expires_at + self.tokens.settings.token_leeway)

    def _set(self, connection: Connection, until: float) -> None:
        stay = self._stays.get(connection.id)
        if stay is None:
            stay = self._stays[connection.id] = Stay(self, connection, until)
        stay.until = until
        self._schedule(stay)

    def _schedule(self, stay: Stay) -> None:
        wheel = self._server.wheel
        seconds = min(max(0.0, stay.until - time.time()), _LONGEST)
        wheel.schedule(stay, wheel.ticks(seconds))

    def _turn_away(self, connection: Connection, reason: str) -> None:
        connection.close(CloseCode.UNAUTHENTICATED, reason)


class Gate:
    """Stands before the message bus: `emit` is what a route's is, and is never None."""

    def __init__(self, guard: Guard, route: Route) -> None:
        self._pending = guard.pending
        self._on_message = guard.on_message
        self._route = route

    def emit(self, server: Any, connection: Any, message: Message) -> Any:
        """Hand a message on, unless it is for the guard."""
        if connection.id in self._pending or (message.startswith(PREFIX) and not message.binary):
            return self._on_message(connection, message)
        onward = self._route.emit
        return None if onward is None else onward(server, connection, message)


def refused(error: TokenInvalid) -> TokenRefused:
    """The answer to a request with a token that is not valid (RFC 6750 §3)."""
    challenge = f'Bearer realm="fws", error="invalid_token", error_description="{error}"'
    return TokenRefused("401 Unauthorized", str(error), (("WWW-Authenticate", challenge),))


def _is_hit(claims: Claims, revocation: Revocation) -> bool:
    if revocation.kind == "sub":
        return claims.subject == revocation.value and int(claims["iat"]) <= revocation.at
    return claims.get(revocation.kind) == revocation.value
