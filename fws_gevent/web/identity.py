"""The sender of a request: a program with a secret, a token's subject, or a logged-in user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus, unquote_to_bytes

from flask import request

from ..errors import GroupNameInvalid, TokenInvalid
from ..protocol.forwarded import Client
from ..protocol.handshake import Headers
from ..protocol.origin import origin_allowed
from ..protocol.peer import peer_of
from ..tokens import Claims
from ..tokens.claims import CLIENT_PREFIX, covers, group_of, may_join, subject_of_client
from ..tokens.clients import TokenClient
from .answers import refuse, refuse_anonymous, refuse_bearer, refuse_client, refuse_early
from .grants import TokenGrant, as_grant
from .service import service

LONGEST_BODY = 64 * 1024
"""Bytes that the form of a request may have."""

_BASIC = ("username", "password")


class Identity(NamedTuple):
    """The subject of a token, or of a program (`client:ID`), with its rights."""

    subject: str
    scope: frozenset[str]
    groups: tuple[str, ...]

    def may_join(self, group: str) -> bool:
        """Return whether it may join a group."""
        return may_join(self.subject, self.groups, group)

    def covers(self, group: str | None) -> bool:
        """Return whether its scopes apply to a group, or to all connections (None).

        Unlike in `may_join`, `*` also stands for the groups of subjects.
        """
        return covers(self.groups, group) or group == group_of(self.subject)


def form() -> dict[str, str]:
    """Return the fields of the form, each of which may be sent once (RFC 6749 §3.2).

    Fields without a value are left out, as that section demands.
    """
    request.max_content_length = LONGEST_BODY
    if request.mimetype not in ("", "application/x-www-form-urlencoded"):
        refuse(400, "invalid_request", "the body must be application/x-www-form-urlencoded")
    body = request.get_data()
    if request.content_length is None:
        request.stream.read(1)  # raises if a chunked body is longer than that
    if not _is_text(body):  # Flask would replace the bytes, which makes another name
        refuse(400, "invalid_request", "the body must be UTF-8")
    lists = list(request.form.lists())
    for name, values in lists:
        if len(values) > 1:
            refuse(400, "invalid_request", f"{name[:40]} is repeated")
    return {name: value for name, value in request.form.items() if value}


def _is_text(encoded: bytes) -> bool:
    """Return whether a percent-encoded form is UTF-8."""
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True


def origin_client() -> Client:
    """Return the address, scheme and host of the client, also behind trusted proxies."""
    peer = peer_of(request.environ).address
    return service().node.forwarding.client_of(peer, Headers(request.headers.items()))


def client_key() -> str:
    """Return the key of the client's address in rate limits; "" if the address is not known."""
    return origin_client().key


def is_secure() -> bool:
    """Return whether the client used https, also behind trusted proxies."""
    return request.is_secure or origin_client().scheme == "https"


def client(fields: Mapping[str, str]) -> TokenClient | None:
    """Return the program that authenticates itself, by HTTP Basic or the form (RFC 6749 §2.3.1).

    Returns None without an attempt. A failed attempt ends the request; after too many of them
    from one address, each further one does.
    """
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        if "client_secret" in fields:
            refuse(400, "invalid_request", "the client authenticates itself twice")
        parts = basic.parameters
        client_id, secret = (unquote_plus(parts.get(part) or "") for part in _BASIC)
    elif "client_secret" in fields:
        client_id, secret = fields.get("client_id", ""), fields["client_secret"]
    else:
        return None
    guesses, address = service().guess_limiter, client_key()
    refuse_early(guesses.peek(address))
    found = service().clients.authenticate(client_id, secret)
    if found is None:
        guesses.wait(address)
        refuse_client("unknown client or wrong secret")
    return found


def bearer() -> Claims | None:
    """Return the claims of the token in Authorization, or None. Refuse an invalid token."""
    scheme = request.authorization
    if scheme is None or scheme.type != "bearer":
        return None
    try:
        return service().tokens.verify(scheme.token or "")
    except TokenInvalid as error:
        refuse_bearer(401, "invalid_token", str(error))


def identity(fields: Mapping[str, str]) -> Identity:
    """Return the program or the subject of the token. A request without either is ended."""
    found = client(fields)
    if found is not None:
        scope = frozenset(found.scope.split())
        return Identity(subject_of_client(found.client_id), scope, found.groups)
    claims = bearer()
    if claims is None:
        refuse_anonymous()
    return Identity(claims.subject, claims.scope, claims.groups)


def need_scope(scope: str, fields: Mapping[str, str] | None = None) -> Identity:
    """Return the identity if it has a scope; end the request otherwise."""
    found = identity(fields or {})
    if scope not in found.scope:
        refuse_bearer(403, "insufficient_scope", f"the scope {scope} is needed")
    return found


def check_origin() -> None:
    """End a request from a page of another site. Without an Origin it is not from a browser."""
    origin = request.headers.get("Origin")
    allowed = service().node.settings.allowed_origins
    if origin is not None and not origin_allowed(
        origin, origin_client().host or request.host, allowed
    ):
        refuse(403, "access_denied", "this Origin is not allowed; see FWS_ALLOWED_ORIGINS")


def logged_in() -> TokenGrant | None:
    """Return the grant of the `token_for_request` hook, or None if nobody is logged in.

    The hook reads cookies, which browsers also send for pages of other sites, so the Origin is
    checked first.
    """
    hook = service().hooks.for_request
    if hook is None:
        return None
    check_origin()
    found = as_grant(hook())
    if found is not None:
        _check_subject(found.subject)
    return found


def _check_subject(subject: str) -> None:
    """End the request if the subject can't have a token: users may choose their names."""
    try:
        group_of(subject)
    except GroupNameInvalid as error:
        refuse(403, "access_denied", f"this subject can't have a token: {error}")
    if subject.startswith(CLIENT_PREFIX):
        refuse(403, "access_denied", f"a subject that begins with {CLIENT_PREFIX} is a client's")
