"""Who sends a request: a client with a secret, a token's subject, or a logged-in user."""

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
from .answers import refuse, refuse_bearer, refuse_client, refuse_for, refuse_nobody
from .grants import TokenGrant, as_grant
from .service import service

LONGEST_BODY = 64 * 1024
"""Bytes of a request's form."""

_BASIC = ("username", "password")


class Identity(NamedTuple):
    """Who asks, and what for: the subject of a token, or a program's (`client:ID`)."""

    subject: str
    scope: frozenset[str]
    groups: tuple[str, ...]

    def may_join(self, group: str) -> bool:
        """Return whether a group is granted to be joined."""
        return may_join(self.subject, self.groups, group)

    def covers(self, group: str | None) -> bool:
        """Return whether a group, or everybody (None), is among those of the token.

        It is for what a scope allows, beyond joining: here `*` stands for subjects' groups too.
        """
        return covers(self.groups, group) or group == group_of(self.subject)


def form() -> dict[str, str]:
    """The request's form, in which nothing stands twice (RFC 6749 §3.2).

    What has no value is left out, as that section has it.
    """
    request.max_content_length = LONGEST_BODY
    if request.mimetype not in ("", "application/x-www-form-urlencoded"):
        refuse(400, "invalid_request", "the body must be application/x-www-form-urlencoded")
    body = request.get_data()
    if request.content_length is None:
        request.stream.read(1)  # in chunks, too long a body is but cut off: here it is told
    if not _is_text(body):  # Flask would put U+FFFD, and so another name
        refuse(400, "invalid_request", "the body must be UTF-8")
    lists = list(request.form.lists())
    for name, values in lists:
        if len(values) > 1:
            refuse(400, "invalid_request", f"{name[:40]} is there twice")
    return {name: value for name, value in request.form.items() if value}


def _is_text(encoded: bytes) -> bool:
    """Whether a form, percent-encoded, is UTF-8."""
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True


def asker() -> Client:
    """Who the request came from and by which scheme and host, as trusted proxies have it."""
    peer = peer_of(request.environ).address
    return service().server.forwarding.client_of(peer, Headers(request.headers.items()))


def client_key() -> str:
    """Return the key by which limits count the client's address; "" if that is not known."""
    return asker().key


def is_secure() -> bool:
    """Return whether the request came over https, as trusted proxies have it."""
    return request.is_secure or asker().scheme == "https"


def client(fields: Mapping[str, str]) -> TokenClient | None:
    """The client that authenticates itself, by HTTP Basic or in the form (RFC 6749 §2.3.1).

    None if there is no attempt; one that fails ends the request, and after too many of these
    from one address, any does.
    """
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        if "client_secret" in fields:
            refuse(400, "invalid_request", "the client authenticates itself in two ways")
        parts = basic.parameters
        client_id, secret = (unquote_plus(parts.get(part) or "") for part in _BASIC)
    elif "client_secret" in fields:
        client_id, secret = fields.get("client_id", ""), fields["client_secret"]
    else:
        return None
    guesses, address = service().guess_limiter, client_key()
    refuse_for(guesses.peek(address))
    found = service().clients.authenticate(client_id, secret)
    if found is None:
        guesses.wait(address)
        refuse_client("unknown client or wrong secret")
    return found


def bearer() -> Claims | None:
    """The claims of the token in Authorization; None if there is none, and a bad one ends it."""
    scheme = request.authorization
    if scheme is None or scheme.type != "bearer":
        return None
    try:
        return service().tokens.verify(scheme.token or "")
    except TokenInvalid as error:
        refuse_bearer(401, "invalid_token", str(error))


def identity(fields: Mapping[str, str]) -> Identity:
    """Who asks: a client, or a token's subject. Nobody ends the request."""
    found = client(fields)
    if found is not None:
        scope = frozenset(found.scope.split())
        return Identity(subject_of_client(found.client_id), scope, found.groups)
    claims = bearer()
    if claims is None:
        refuse_nobody()
    return Identity(claims.subject, claims.scope, claims.groups)


def need_scope(scope: str, fields: Mapping[str, str] | None = None) -> Identity:
    """Who asks, if that has a scope; anybody else ends the request."""
    found = identity(fields or {})
    if scope not in found.scope:
        refuse_bearer(403, "insufficient_scope", f"the scope {scope} is needed")
    return found


def check_origin() -> None:
    """End the request of a page of another site; one without Origin is no browser's."""
    origin = request.headers.get("Origin")
    allowed = service().server.settings.allowed_origins
    if origin is not None and not origin_allowed(origin, asker().host or request.host, allowed):
        refuse(403, "access_denied", "this Origin is not allowed; see FWS_ALLOWED_ORIGINS")


def logged_in() -> TokenGrant | None:
    """Who the application's own `token_for_request` hook says this is; None for nobody.

    The hook reads cookies, which browsers send along for every site, so the Origin counts.
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
    """End the request of a user whose name no token can say: users may choose their names."""
    try:
        group_of(subject)
    except GroupNameInvalid as error:
        refuse(403, "access_denied", f"this subject can't have a token: {error}")
    if subject.startswith(CLIENT_PREFIX):
        refuse(403, "access_denied", f"a subject that begins with {CLIENT_PREFIX} is a client's")
