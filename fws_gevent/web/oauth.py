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
    bound,
    refuse,
    refuse_bearer,
    refuse_client,
    refuse_nobody,
    unavailable,
)
from .grants import TokenGrant, TokenResponse
from .identity import Identity, bearer, client, client_key, form, identity, logged_in
from .renewal import granted_now, login_mark
from .service import service

REVOKE_SCOPE = "revoke"
INTROSPECT_SCOPE = "introspect"


class Tie(NamedTuple):
    """What a refresh token is tied to: its family, and the log-in that it ends with, if any.

    `successor` is the refresh token itself, where it takes another one's place.
    """

    family: str
    login: str | None = None
    successor: str | None = None


def token() -> Response:
    """POST /fws/token: an access token (RFC 6749 §5.1) for a client, a refresh token or a user."""
    bound(client_key())
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
    # No refresh token: a client that has its secret can ask again (RFC 6749 §4.4.3).
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
        if not found.spent:  # too much is asked for: it stays good for less
            _narrowed(fields.get("scope"), whole.scope)
    try:
        spent = tokens.spend_refresh(given)
    except TokenInvalid as error:
        refuse(400, "invalid_grant", str(error))
    except NotIssued as error:
        unavailable(str(error))
    if whole is None:  # it came into being after it was looked for
        refuse(400, "invalid_grant", "the refresh token is unknown")
    narrowed = replace(whole, scope=_narrowed(fields.get("scope"), whole.scope))
    tie = Tie(spent.family, spent.grant.get("login"), successor_of(given, spent.salt))
    return _issued(narrowed, refreshable=whole, tie=tie)


def _end(found: Refresh) -> NoReturn:
    """End a refresh token of somebody who is logged out, with all that was issued from it."""
    try:
        service().tokens.revoke_family(found.family, found.subject)
    except NotIssued as error:
        unavailable(str(error))
    refuse(400, "invalid_grant", "the log-in that this was issued for has ended")


def _for_user(fields: Mapping[str, str]) -> Response:
    if service().hooks.for_request is None:
        refuse(400, "invalid_request", "grant_type is missing")
    grant = logged_in()
    if grant is None:
        # Not Basic: a browser would ask its user for a password that there isn't.
        refuse(401, "invalid_client", "nobody is logged in", WWW_Authenticate=f"Bearer {REALM}")
    narrowed = replace(grant, scope=_narrowed(fields.get("scope"), grant.scope))
    if fields.get("offline", "1") != "1":
        refuse(400, "invalid_request", "offline is 1, for a refresh token, or is left out")
    if "offline" not in fields:
        return _issued(narrowed)
    return _issued(narrowed, refreshable=narrowed, tie=Tie(new_family(), login_mark()))


def _narrowed(wanted: str | None, granted: str) -> str:
    """The scope that is asked for, which must be a part of what may be had."""
    if wanted is None:
        return granted
    if not set(wanted.split()) <= set(granted.split()):
        refuse(400, "invalid_scope", "more than may be had is asked for")
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
    """The answer of RFC 6749 §5.1 for `grant`, with a refresh token for `refreshable` if given.

    `tie` is what that one is tied to: nothing but a new family by default. Raises NotIssued, and
    ValueError for a grant that no token can say.
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
    if refreshable is not None:  # last, for it is remembered
        issued["refresh_token"], _ = tokens.issue_refresh(
            refreshable.subject, refreshable.groups, refreshable.scope, family, successor,
            ttl=refreshable.ttl, login=login,
        )  # fmt: skip
    return issued


def ticket() -> Response:
    """POST /fws/ticket: a ticket for `?ticket=`, for who has a token or is logged in."""
    bound(client_key())
    form()
    tokens = service().tokens
    claims = bearer()
    if claims is None:
        grant = logged_in()
        if grant is None:
            refuse_nobody()
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
    except TokenInvalid as error:  # all that the subject has was revoked in this second
        refuse_bearer(401, "invalid_token", str(error))


def revoke() -> Response:
    """POST /fws/revoke (RFC 7009): `token`; with the scope revoke also `subject` or `jti`.

    Everybody may revoke their own tokens. What is unknown or not valid any more is no error.
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
        refuse_bearer(403, "insufficient_scope", "another's tokens need the scope revoke")


def introspect() -> Response:
    """POST /fws/introspect (RFC 7662): what a token says, for its subject or the scope introspect.

    To anybody else, and for one that is not valid, it is not active.
    """
    fields = form()
    asking = identity(fields)
    if "token" not in fields:
        refuse(400, "invalid_request", "token is missing")
    claims = service().tokens.peek(fields["token"])
    if claims is None or not (INTROSPECT_SCOPE in asking.scope or asking.subject == claims.subject):
        return answer({"active": False})
    return answer({**claims, "active": True, "token_type": "Bearer", "username": claims.subject})
