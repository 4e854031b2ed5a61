"""The token, or the ticket for one, that an upgrade request carries."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from ..errors import HandshakeRefused
from .handshake import BAD_REQUEST, Headers

SUBPROTOCOL: Final = "fws"
"""The subprotocol that a client offers beside its token, and the only one that is answered."""

BEARER_SUBPROTOCOL: Final = "fws.bearer."
"""Begins a subprotocol that is a token: browsers can set no other header (RFC 6455 §1.9)."""

TICKET: Final = "ticket"

_BEARER = re.compile(r"(?i:bearer) +([\x21-\x7e]+) *")


class Credentials(NamedTuple):
    """The credentials of a request: a token, a ticket, or neither."""

    token: str | None = None
    ticket: str | None = None


def find_credentials(headers: Headers, query: str = "") -> Credentials:
    """Return the token or ticket of a request, from its headers and the query of its URL.

    A token is in Authorization (RFC 6750 §2.1) or in Sec-WebSocket-Protocol, a ticket in the
    query. Other schemes of Authorization are ignored. Raises HandshakeRefused for more than one
    token or ticket (RFC 6750 §2).
    """
    found = [Credentials(token=token) for token in _tokens(headers)]
    found += [Credentials(ticket=ticket) for ticket in parse_qs(query).get(TICKET, [])]
    if len(found) > 1:
        raise HandshakeRefused(BAD_REQUEST, "more than one token or ticket in a request")
    return found[0] if found else Credentials()


def _tokens(headers: Headers) -> list[str]:
    offers = headers.listed("sec-websocket-protocol")
    tokens = [part[len(BEARER_SUBPROTOCOL) :] for part in offers
              if part.startswith(BEARER_SUBPROTOCOL)]  # fmt: skip
    for value in headers.all("authorization"):
        bearer = _BEARER.fullmatch(value)
        if bearer is not None:
            tokens.append(bearer[1])
    return tokens
