"""Tokens in an application's views: issue them, revoke them, and register hooks that name users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TypeVar

from flask import has_request_context

from ..tokens import Tokens
from ..tokens.claims import scope_text
from ..tokens.store import new_family
from .grants import Hooks, RequestHook, SubjectHook, TokenGrant, TokenResponse
from .oauth import Tie, issue
from .renewal import login_of

R = TypeVar("R", bound=RequestHook)
S = TypeVar("S", bound=SubjectHook)


class TokensForViews(ABC):
    """The tokens of the Flask extension: views issue and revoke them."""

    def __init__(self) -> None:
        self._hooks = Hooks()

    @property
    @abstractmethod
    def tokens(self) -> Tokens:
        """The tokens of the server, for other uses than the methods of the extension."""

    def issue_token(
        self,
        subject: str,
        groups: Collection[str] = (),
        scope: str | Collection[str] = (),
        ttl: float | None = None,
    ) -> str:
        """Issue a token that ends by itself.

        Args:
            subject: The user that the token stands for.
            groups: Groups that it may join, patterns such as `room:*` included.
            scope: Its other rights, as a list or separated by spaces.
            ttl: Its lifetime in seconds; `FWS_TOKEN_TTL` by default.

        Returns:
            The token, a JSON Web Token.

        Raises:
            NotIssued: There is no signing key.
            ValueError: A subject, group, scope or lifetime that a token can't have.
        """
        return self.tokens.issue(subject, groups, scope, ttl)

    def issue_tokens(
        self,
        subject: str,
        groups: Collection[str] = (),
        scope: str | Collection[str] = (),
        ttl: float | None = None,
    ) -> TokenResponse:
        """Issue a token and a refresh token. Call this in a view.

        If the `token_for_request` hook names this subject for the present request, the refresh
        token ends with that log-in. Otherwise `revoke` or the hook `token_for_subject` ends it.

        Args:
            subject: See `issue_token`.
            groups: See `issue_token`.
            scope: See `issue_token`.
            ttl: The lifetime of the token, and of those that it is renewed by.

        Returns:
            The answer that `/fws/token` gives (RFC 6749 §5.1), ready for `jsonify`.

        Raises:
            NotIssued: There is no signing key, or refresh tokens can't be remembered here.
            ValueError: A subject, group, scope or lifetime that a token can't have.
        """
        grant = TokenGrant(subject=subject, groups=groups, scope=scope_text(scope), ttl=ttl)
        login = login_of(subject) if has_request_context() else None
        return issue(grant, refreshable=grant, tie=Tie(new_family(), login))

    def issue_ticket(
        self,
        subject: str,
        groups: Collection[str] = (),
        scope: str | Collection[str] = (),
        ttl: float | None = None,
    ) -> str:
        """Issue a ticket: `?ticket=` with it opens one connection, within `ticket_ttl` seconds.

        Args:
            subject: See `issue_token`.
            groups: See `issue_token`.
            scope: See `issue_token`.
            ttl: Seconds after which the connection's rights end; `FWS_TOKEN_TTL` by default.

        Returns:
            The ticket, a text for a URL.

        Raises:
            NotIssued: There is no signing key, or tickets can't be remembered here.
            ValueError: A subject, group, scope or lifetime that a token can't have.
        """
        tokens = self.tokens
        return tokens.issue_ticket(tokens.verify(tokens.issue(subject, groups, scope, ttl)))

    def revoke(self, *, subject: str | None = None, token: str | None = None) -> None:
        """Revoke a token, or all tokens of a subject. Their connections end with 4401.

        Args:
            subject: Revoke all that was issued to this subject so far.
            token: Revoke this token alone.

        Raises:
            NotIssued: Revocations can't be remembered here.
            TokenInvalid: The token is not valid, or not any more.
            TypeError: Neither or both of the arguments are given.
        """
        if (subject is None) == (token is None):
            raise TypeError("revoke() needs a subject or a token")
        if subject is not None:
            self.tokens.revoke_subject(subject)
        else:
            self.tokens.revoke(self.tokens.verify(str(token)))

    def token_for_request(self, hook: R) -> R:
        """Register, as a decorator, the function that names the user of a request for a token.

        Args:
            hook: Called without arguments in the request. Returns a `TokenGrant`, a dict of its
                fields, a subject alone, or None if nobody is logged in.

        Returns:
            The function itself.
        """
        self._hooks.for_request = hook
        return hook

    def token_for_subject(self, hook: S) -> S:
        """Register, as a decorator, the function that gives the present rights of a subject.

        Args:
            hook: Called with a subject when a refresh token is renewed that is not tied to a
                log-in. Returns what a `token_for_request` hook returns; None ends the refresh
                token.

        Returns:
            The function itself.
        """
        self._hooks.for_subject = hook
        return hook
