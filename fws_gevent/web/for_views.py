"""Tokens in an application's views: issuing, revoking, and the hooks that name users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from flask import has_request_context

from ..tokens import Tokens
from ..tokens.store import new_family
from .oauth import Tie, issue
from .renewal import login_of
from .service import Hooks, Still, TokenGrant, Who

W = TypeVar("W", bound=Who)
S = TypeVar("S", bound=Still)


class TokensForViews(ABC):
    """Issues and revokes tokens for views, and asks the application about its users."""

    def __init__(self) -> None:
        self.hooks = Hooks()

    @property
    @abstractmethod
    def tokens(self) -> Tokens:
        """What issues and checks tokens."""

    def issue_token(
        self,
        subject: str,
        groups: Collection[str] = (),
        scope: str | Collection[str] = (),
        ttl: float | None = None,
    ) -> str:
        """A token for `subject`; see `Tokens.issue`. Raises NotIssued, ValueError."""
        return self.tokens.issue(subject, groups, scope, ttl)

    def issue_tokens(
        self, subject: str, groups: Sequence[str] = (), scope: str = "", ttl: float | None = None
    ) -> dict[str, Any]:
        """A token and a refresh token, as `/fws/token` answers (RFC 6749 §5.1).

        Where the `token_for_request` hook says that the request is this subject's, the refresh
        token ends with that log-in; otherwise `revoke`, or the hook `token_for_subject`, ends it.
        Raises NotIssued, ValueError. To be called in a view.
        """
        grant = TokenGrant(subject=subject, groups=tuple(groups), scope=scope, ttl=ttl)
        login = login_of(subject) if has_request_context() else None
        return issue(grant, refreshable=grant, tie=Tie(new_family(), login))

    def issue_ticket(self, subject: str, groups: Collection[str] = ()) -> str:
        """A ticket for `?ticket=`, good for one connection within `ticket_ttl` seconds.

        Raises NotIssued.
        """
        tokens = self.tokens
        return tokens.issue_ticket(tokens.verify(tokens.issue(subject, groups)))

    def revoke(self, *, subject: str | None = None, token: str | None = None) -> None:
        """Revoke a token, or all that a subject has so far; their connections end with 4401.

        Raises NotIssued, TokenInvalid for a token that is not valid any more, and TypeError
        unless one of the two is given.
        """
        if (subject is None) == (token is None):
            raise TypeError("revoke() needs a subject or a token")
        if subject is not None:
            self.tokens.revoke_subject(subject)
        else:
            self.tokens.revoke(self.tokens.verify(str(token)))

    def token_for_request(self, who: W) -> W:
        """Register, as a decorator, what says who a request for a token is.

        `who()` is called in the request and answers a `TokenGrant` (or a dict of its fields, or
        a subject alone), or None for nobody.
        """
        self.hooks.who = who
        return who

    def token_for_subject(self, still: S) -> S:
        """Register, as a decorator, what says what a subject may still do.

        `still(subject)` is called when a refresh token is renewed that is not tied to a log-in,
        and answers as a `token_for_request` hook does; None ends the refresh token.
        """
        self.hooks.still = still
        return still
