"""Tokens over HTTP: /token, /ticket, /revoke and /introspect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, NoReturn

from flask import Response

from ..errors import NotIssued, TokenInvalid
from ..tokens import Claims
from ..tokens.claims import scope_text, subject_of_client
from ..tokens.store import Refresh, new_family
from ..tokens.succession import successor_of
from .answers import (
    REALM,
    answer,
    limit_rate,
    refuse,
    refuse_anonymous,
    refuse_bearer,
    refuse_client,
    unavailable,
)
from .grants import TokenGrant, TokenResponse
from .identity import Identity, bearer, client, client_key, form, identity, logged_in
from .renewal import granted_now, login_mark
from .service import service

REVOKE_SCOPE = "revoke"
INTROSPECT_SCOPE = "introspect"


class Tie(NamedTuple):
    """The ties of a refresh token: its family, and the log-in that it ends with, if any.

    `successor` is the refresh token itself, if it replaces another one.
    """

    family: str
    login: str | None = None
    successor: str | None = None


def token() -> Response:
    """POST /fws/token: an access token (RFC 6749 §5.1) for a client, a refresh token or a user."""
    limit_rate(client_key())
    fields = form()
    kind = fields.get("grant_type")
    if kind == "client_credentials":
        return _for_client(fields)
    if kind == "refresh_token":
        return _for_refresh_token(fields)
    if kind is not None:
        refuse(400, "unsupported_grant_type",
               "grant_type is client_credentials or refresh_token")  # fmt: skip
    return _for_user(fields)


def _for_client(fields: Mapping[str, str]) -> Response:
    asking = client(fields)
    if asking is None:
        refuse_client("the client must authenticate itself")
    scope = _narrowed(fields.get("scope"), asking.scope)
    # Without a refresh token: a client with a secret can ask again (RFC 6749 §4.4.3).
    subject = subject_of_client(asking.client_id)
    return _issued(TokenGrant(subject=subject, groups=asking.groups, scope=scope), client=True)


def _for_refresh_token(fields: Mapping[str, str]) -> Response:
    if "refresh_token" not in fields:
        refuse(400, "invalid_request", "refresh_token is missing")
    tokens, given = service().tokens, fields["refresh_token"]
    found = tokens.find_refresh(given)
    whole: TokenGrant | None = None
    if found is not None:
        whole = granted_now(found) or _end(found)
        if not found.spent:  # a scope that is too large must not use it up
            _narrowed(fields.get("scope"), whole.scope)
    try:
        spent = tokens.spend_refresh(given)
    except TokenInvalid as error:
        refuse(400, "invalid_grant", str(error))
    except NotIssued as error:
        unavailable(str(error))
    if whole is None:  # it was issued after the look-up
        refuse(400, "invalid_grant", "the refresh token is unknown")
    narrowed = replace(whole, scope=_narrowed(fields.get("scope"), whole.scope))
    tie = Tie(spent.family, spent.grant.get("login"), successor_of(given, spent.salt))
    return _issued(narrowed, refreshable=whole, tie=tie)


def _end(found: Refresh) -> NoReturn:
    """Revoke a refresh token whose user is logged out, with all tokens issued from it."""
    try:
        service().tokens.revoke_family(found.family, found.subject)
    except NotIssued as error:
        unavailable(str(error))
    refuse(400, "invalid_grant", "the log-in that the refresh token belongs to has ended")


def _for_user(fields: Mapping[str, str]) -> Response:
    if service().hooks.for_request is None:
        refuse(400, "invalid_request", "grant_type is missing")
    grant = logged_in()
    if grant is None:
        # Not Basic, for which a browser would ask its user for a password.
        refuse(401, "invalid_client", "nobody is logged in", WWW_Authenticate=f"Bearer {REALM}")
    narrowed = replace(grant, scope=_narrowed(fields.get("scope"), grant.scope))
    if fields.get("offline", "1") != "1":
        refuse(400, "invalid_request", "offline is 1, for a refresh token, or is left out")
    if "offline" not in fields:
        return _issued(narrowed)
    return _issued(narrowed, refreshable=narrowed, tie=Tie(new_family(), login_mark()))


def _narrowed(wanted: str | None, granted: str) -> str:
    """Return the requested scope; end the request if it exceeds the granted one."""
    if wanted is None:
        return granted
    if not set(wanted.split()) <= set(granted.split()):
        refuse(400, "invalid_scope", "the scope exceeds the granted one")
    return scope_text(wanted)


def _issued(
    grant: TokenGrant,
    refreshable: TokenGrant | None = None,
    tie: Tie | None = None,
    *,
    client: bool = False,
) -> Response:
    try:
        return answer(issue(grant, refreshable, tie, client=client))
    except NotIssued as error:
        unavailable(str(error))


def issue(
    grant: TokenGrant,
    refreshable: TokenGrant | None = None,
    tie: Tie | None = None,
    *,
    client: bool = False,
) -> TokenResponse:
    """Return the answer of RFC 6749 §5.1 for a grant, with a refresh token for `refreshable`.

    The refresh token has the ties `tie`, by default a new family. Raises NotIssued, and
    ValueError for a grant that a token can't have.
    """
    tokens = service().tokens
    family = login = successor = None
    if refreshable is not None:
        family, login, successor = tie or Tie(new_family())
    ttl = tokens.settings.token_ttl if grant.ttl is None else grant.ttl
    issued: TokenResponse = {
        "access_token": tokens.issue(
            grant.subject, grant.groups, grant.scope, ttl, family, client=client
        ),
        "token_type": "Bearer",
        "expires_in": round(ttl),
        "scope": scope_text(grant.scope),
    }
    if refreshable is not None:  # last, because it is stored
        issued["refresh_token"], _ = tokens.issue_refresh(
            refreshable.subject, refreshable.groups, refreshable.scope, family, successor,
            ttl=refreshable.ttl, login=login,
        )  # fmt: skip
    return issued


def ticket() -> Response:
    """POST /fws/ticket: a ticket for `?ticket=`, for a token or a logged-in user."""
    limit_rate(client_key())
    form()
    tokens = service().tokens
    claims = bearer()
    if claims is None:
        grant = logged_in()
        if grant is None:
            refuse_anonymous()
        claims = _claims_for(grant)
    try:
        made = tokens.issue_ticket(claims)
    except NotIssued as error:
        unavailable(str(error))
    lives = min(tokens.settings.ticket_ttl, claims.expires_at - tokens.clock.wall())
    return answer({"ticket": made, "expires_in": max(0, int(lives))})


def _claims_for(grant: TokenGrant) -> Claims:
    tokens = service().tokens
    try:
        return tokens.verify(tokens.issue(grant.subject, grant.groups, grant.scope, grant.ttl))
    except NotIssued as error:
        unavailable(str(error))
    except TokenInvalid as error:  # the subject was revoked in this second
        refuse_bearer(401, "invalid_token", str(error))


def revoke() -> Response:
    """POST /fws/revoke (RFC 7009): `token`; with the scope revoke also `subject` or `jti`.

    Each subject may revoke its own tokens. An unknown or invalid token is not an error.
    """
    fields = form()
    asking = identity(fields)
    given = [name for name in ("token", "subject", "jti") if fields.get(name)]
    if len(given) != 1:
        refuse(400, "invalid_request", "one of token, subject and jti is needed")
    try:
        _revoke(asking, given[0], fields[given[0]])
    except NotIssued as error:
        unavailable(str(error))
    return answer({})


def _revoke(asking: Identity, kind: str, value: str) -> None:
    tokens = service().tokens
    if kind == "subject":
        _need_right(asking, value)
        tokens.revoke_subject(value)
    elif kind == "jti":
        _need_right(asking, None)
        tokens.revoke_id(value)
    else:
        refresh = tokens.find_refresh(value)
        if refresh is not None:
            _need_right(asking, refresh.subject)
            tokens.revoke_family(refresh.family, refresh.subject)
            return
        claims = tokens.peek(value)
        if claims is not None:
            _need_right(asking, claims.subject)
            tokens.revoke(claims)


def _need_right(asking: Identity, subject: str | None) -> None:
    if REVOKE_SCOPE not in asking.scope and asking.subject != subject:
        refuse_bearer(
            403, "insufficient_scope", "the tokens of other subjects need the scope revoke"
        )


def introspect() -> Response:
    """POST /fws/introspect (RFC 7662): the claims of a token.

    The sender is the subject of the token, or has the scope introspect. To others, and if it is
    not valid, the token is not active.
    """
    fields = form()
    asking = identity(fields)
    if "token" not in fields:
        refuse(400, "invalid_request", "token is missing")
    claims = service().tokens.peek(fields["token"])
    if claims is None or not (INTROSPECT_SCOPE in asking.scope or asking.subject == claims.subject):
        return answer({"active": False})
    return answer({**claims, "active": True, "token_type": "Bearer", "username": claims.subject})
