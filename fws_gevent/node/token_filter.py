"""The filter that takes tokens out of the messages of connections."""

from __future__ import annotations

from typing import Any

from ..connection.connection import Connection
from ..errors import CloseCode, StorageAway, TokenInvalid
from ..message import Message
from ..signals import Route
from ..tokens import Claims
from .admission import Admission
from .guard import Guard

PREFIX = b"token:"
"""The beginning of a text message that is a token."""


class TokenFilter:
    """Stands before the message bus: `emit` is what a route's is, and is never None.

    Filters and subscribers of the bus see no token, and nothing of a pending connection.
    """

    def __init__(self, guard: Guard, admission: Admission, route: Route) -> None:
        self._guard = guard
        self._admission = admission
        self._pending = guard.pending
        self._route = route

    def emit(self, node: Any, connection: Any, message: Message) -> Any:
        """Hand a message on, unless it is a token or of a pending connection."""
        if connection.id in self._pending or (message.startswith(PREFIX) and not message.binary):
            return self._take(connection, message)
        onward = self._route.emit
        return None if onward is None else onward(node, connection, message)

    def _take(self, connection: Connection, message: Message) -> None:
        """Take a message that is, or should be, a token."""
        guard = self._guard
        pending = guard.awaits(connection)
        if message.binary or not message.startswith(PREFIX):
            guard.turn_away(connection, "the first message must be token: and a token")
            return
        try:
            claims = guard.tokens.verify(message[len(PREFIX) :].decode().strip())
        except StorageAway:
            connection.close(CloseCode.TRY_AGAIN_LATER, "tokens can't be checked now")
            return
        except TokenInvalid as error:
            if pending:
                guard.turn_away(connection, str(error))
            else:
                connection.send(f"token:refused {error}")
            return
        if connection.ending:
            return  # lost, or closed, while the token was checked
        held = connection.token
        if isinstance(held, Claims):
            self._renew(connection, held, claims)
        else:
            self._admission.enter_with(connection, claims)

    def _renew(self, connection: Connection, held: Claims, claims: Claims) -> None:
        """Give a connection the new token of its subject, and leave groups that it doesn't grant.

        The group of the subject stays the same: it is neither left nor joined.
        """
        if held.subject != claims.subject:
            connection.send("token:refused the token is for another subject")
            return
        self._guard.hold(connection, claims)
        for group in connection.groups:
            if not claims.may_join(group):
                connection.leave(group)
        self._guard.check_again(connection)
        connection.send("token:accepted")
