"""Tokens of connections: whose they are, how long they last, and which are revoked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice

from ..connection.connection import Connection
from ..errors import CloseCode, NotServing, StorageAway, TokenInvalid, TokenRefused
from ..loop.reactor import Reactor
from ..loop.wheel import Wheel
from ..protocol.credentials import find_credentials
from ..protocol.handshake import Headers
from ..protocol.receiver import Limits
from ..settings import Settings
from ..tokens import Claims, Tokens
from ..tokens.store import Revocation

SWEEP = 1024
"""Connections that a revocation looks at before others have their turn."""

PENDING_SIZE = 16 * 1024
"""Bytes that a connection may send until its token came; a token has half of that at most."""

_LONGEST = 86400.0  # seconds ahead that a deadline is set; a later one is set again then


class TokenExpiry:
    """The deadline of one connection: the end of its token, or of the wait for one."""

    __slots__ = ("connection", "due", "guard", "until")

    def __init__(self, guard: Guard, connection: Connection, until: float) -> None:
        self.guard = guard
        self.connection = connection
        self.until = until
        self.due = 0

    def on_due(self) -> None:
        """Close the connection, unless a new token has come or the deadline is a later one."""
        self.guard.on_due(self)


class Guard:
    """Checks the tokens of a node's connections, with `auth` "optional" or "required".

    With "required", a connection whose token is still to come is `pending`: no filter, bus or
    broadcast gets anything of it until then.
    """

    def __init__(
        self,
        tokens: Tokens,
        users: Mapping[str, Connection],
        reactor: Reactor,
        wheel: Wheel,
        *,
        required: bool,
    ) -> None:
        self.tokens = tokens
        self.pending: dict[str, Connection] = {}
        self._users = users
        self._reactor = reactor
        self._wheel = wheel
        self._required = required
        settings = tokens.settings
        self._limits = Limits(min(settings.max_message_size, PENDING_SIZE), settings.max_fragments)
        self._expiries: dict[str, TokenExpiry] = {}
        tokens.listen(self._on_revoked)

    def claims_of(self, headers: Headers, query: str) -> Claims | None:
        """Return the claims of the token or ticket in an upgrade request, None without one.

        Raises:
            TokenRefused: It is not valid (401).
            HandshakeRefused: There are several.
            StorageAway: The shared storage can't be asked.
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

    # A connection comes and goes.

    def take(self, connection: Connection, claims: Claims | None) -> bool:
        """Take a new connection, with the claims of its request; return False if it is pending."""
        if claims is not None:
            self.hold(connection, claims)
        elif self._required:
            self.pending[connection.id] = connection
            connection.restrict(self._limits, PENDING_SIZE)
            self._set(connection, self.tokens.clock.wall() + self.tokens.settings.token_timeout)
            return False
        return True

    def awaits(self, connection: Connection) -> bool:
        """Return whether the connection is pending."""
        return connection.id in self.pending

    def take_first(self, connection: Connection, claims: Claims) -> bool:
        """Take the first token of a connection; return whether that was pending until now."""
        self.hold(connection, claims)
        return self.pending.pop(connection.id, None) is not None

    def hold(self, connection: Connection, claims: Claims) -> None:
        """Have a connection hold claims that were checked, until they expire."""
        connection.hold(claims)
        self._set(connection, claims.expires_at + self.tokens.settings.token_leeway)

    def check_again(self, connection: Connection) -> None:
        """Close a connection whose token was revoked before a revocation could find it."""
        claims = connection.token
        if not isinstance(claims, Claims):
            return
        try:
            self.tokens.check_not_revoked(claims)
        except StorageAway:
            connection.close(CloseCode.TRY_AGAIN_LATER, "tokens can't be checked now")
        except TokenInvalid as error:
            self.turn_away(connection, str(error))

    def turn_away(self, connection: Connection, reason: str) -> None:
        """Close a connection for want of a valid token."""
        connection.close(CloseCode.UNAUTHENTICATED, reason)

    def forget(self, connection: Connection) -> None:
        """Drop the deadline of a connection that is closed."""
        self.pending.pop(connection.id, None)
        expiry = self._expiries.pop(connection.id, None)
        if expiry is not None:
            self._wheel.cancel(expiry)

    # Expiry.

    def on_due(self, expiry: TokenExpiry) -> None:
        """Close a connection at its deadline; set one that is too far ahead again."""
        connection = expiry.connection
        if self.tokens.clock.wall() < expiry.until:
            self._schedule(expiry)
        elif connection.id in self.pending:
            self.turn_away(connection, "no token came in time")
        else:
            self.turn_away(connection, "the token has expired")

    def _set(self, connection: Connection, until: float) -> None:
        expiry = self._expiries.get(connection.id)
        if expiry is None:
            expiry = self._expiries[connection.id] = TokenExpiry(self, connection, until)
        expiry.until = until
        self._schedule(expiry)

    def _schedule(self, expiry: TokenExpiry) -> None:
        seconds = min(max(0.0, expiry.until - self.tokens.clock.wall()), _LONGEST)
        self._wheel.schedule(expiry, self._wheel.ticks(seconds))

    # Revocation.

    def _on_revoked(self, revocation: Revocation) -> None:
        """Close the connections that a revocation hits. Any greenlet or thread may call this."""
        if self._reactor.is_own_thread():
            self._end_revoked(revocation)
        else:
            with suppress(NotServing):  # the loop doesn't run, and there are no connections
                self._reactor.call_here(self._end_revoked, revocation)

    def _end_revoked(self, revocation: Revocation) -> None:
        # All of them, for a filter may have taken some out of their subject's group.
        self._sweep(revocation, iter(self._users.values()))

    def _sweep(self, revocation: Revocation, left: Iterator[Connection]) -> None:
        """Close those that a revocation hits, of the next SWEEP connections and then of the others.

        A connection that comes meanwhile checks its token again when it enters.
        """
        batch = tuple(islice(left, SWEEP))
        for connection in batch:
            claims = connection.token
            if isinstance(claims, Claims) and _is_hit(claims, revocation):
                self.turn_away(connection, "the token was revoked")
        if len(batch) == SWEEP:
            self._reactor.later(partial(self._sweep, revocation, left))


def guard_for(
    settings: Settings,
    tokens: Tokens,
    users: Mapping[str, Connection],
    reactor: Reactor,
    wheel: Wheel,
) -> Guard | None:
    """Return the guard that the setting `auth` asks for; None with auth off."""
    if settings.auth == "off":
        return None
    return Guard(tokens, users, reactor, wheel, required=settings.auth == "required")


def refused(error: TokenInvalid) -> TokenRefused:
    """Return the answer to a request with a token that is not valid (RFC 6750 §3)."""
    challenge = f'Bearer realm="fws", error="invalid_token", error_description="{error}"'
    return TokenRefused("401 Unauthorized", str(error), (("WWW-Authenticate", challenge),))


def _is_hit(claims: Claims, revocation: Revocation) -> bool:
    if revocation.kind == "sub":
        return claims.subject == revocation.value and int(claims["iat"]) <= revocation.at
    return claims.get(revocation.kind) == revocation.value
