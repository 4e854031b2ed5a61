"""The grant of a renewed refresh token: the present rights of its subject."""

from __future__ import annotations

import secrets

from flask import session
from werkzeug.exceptions import HTTPException

from ..tokens.store import Refresh
from .grants import TokenGrant, as_grant
from .identity import logged_in
from .service import service

MARK = "fws_login"
"""The key in Flask's session whose value differs for each log-in of a user."""


def login_of(subject: str) -> str | None:
    """Return the mark of the present request's log-in if it is that of `subject`, else None."""
    hook = service().hooks.for_request
    try:
        found = None if hook is None else as_grant(hook())
    except HTTPException:  # a hook may refuse those who are not logged in
        return None
    return None if found is None or found.subject != subject else login_mark()


def login_mark() -> str:
    """Return the mark in Flask's session, which a log-out removes; "" without a session."""
    if not session:  # the application recognizes its users by other means
        return ""
    mark = session.get(MARK)
    if not isinstance(mark, str):
        mark = session[MARK] = secrets.token_hex(8)
    return mark


def granted_now(refresh: Refresh) -> TokenGrant | None:
    """Return the present grant of a refresh token, or None if the token has ended.

    A token that was issued to a logged-in user gets the grant of the `token_for_request` hook. Any
    other gets that of the `token_for_subject` hook; without this hook it keeps its own. A scope
    never grows. A request from a page of another site is ended.
    """
    grant, login = refresh.grant, refresh.grant.get("login")
    issued = TokenGrant(
        subject=refresh.subject, groups=grant["groups"], scope=grant["scope"], ttl=grant.get("ttl")
    )
    hook = service().hooks.for_subject
    if login is not None:
        now = logged_in()
        if login and session.get(MARK) != login:
            return None
    elif hook is not None:
        now = as_grant(hook(refresh.subject))
    else:
        return issued
    if now is None or now.subject != refresh.subject:
        return None
    scope = " ".join(part for part in issued.scope.split() if part in now.scope.split())
    return TokenGrant(subject=now.subject, groups=now.groups, scope=scope, ttl=now.ttl)
