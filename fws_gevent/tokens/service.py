"""The issue, check, renewal and revocation of tokens."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import jwt

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import NotIssued, SubjectFull, TokenInvalid
from ..settings import Settings
from .claims import Claims, check_grant, scope_text
from .decoding import MAX_TOKEN, decode
from .keys import KeyRing
from .store import (
    Kind,
    Listener,
    MemoryTokenStore,
    Refresh,
    Revocation,
    TokenStore,
    digest,
    new_family,
)
from .succession import new_salt, successor_of

SUBJECT_REVOKED_FOR = 366 * 86400
"""Seconds for which the revocation of a subject is kept; no token should live longer."""

_NAMED: tuple[Kind, ...] = ("jti", "family", "login")  # claims that are also kinds of revocations


class Tokens:
    """The tokens of a server: JSON Web Tokens (RFC 7519), refresh tokens and tickets.

    Without `keys` no token is issued and none is valid. With `several_processes`, which serve the
    same clients, methods that need a store raise NotIssued unless `store` is shared, since they
    would work only at times. `counts` has `issued`, `refused` and `revoked`.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyRing | None,
        store: TokenStore | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.keys = keys
        self.store = store or MemoryTokenStore()
        self.several_processes = False
        self.counts: Counter[str] = Counter(issued=0, refused=0, revoked=0)

    # Tokens.

    def issue(
        self,
        subject: str,
        groups: Collection[str] = (),
        scope: str | Collection[str] = (),
        ttl: float | None = None,
        family: str | None = None,
        *,
        client: bool = False,
    ) -> str:
        """Return a new token for `subject` that expires after `ttl` seconds (or `token_ttl`).

        `groups` are the groups that it grants, or patterns such as `room:*`; `scope` is that of
        RFC 6749 §3.3. Only an OAuth `client` has a subject that begins with `client:`. Raises
        NotIssued without a signing key, ValueError for invalid claims.
        """
        key = None if self.keys is None else self.keys.first
        if key is None or self.keys is None or key.signing is None:
            raise NotIssued("there is no key that signs tokens; set FWS_SIGNING_KEY")
        check_grant(subject, groups, client)
        seconds = self.settings.token_ttl if ttl is None else ttl
        if not 0 < seconds < 1e9:
            raise ValueError("a token lives for more than 0 seconds and less than 1e9")
        now = self.clock.wall()
        claims: dict[str, Any] = {
            "iss": self.settings.token_issuer,
            "aud": self.settings.token_audience,
            "sub": subject,
            "iat": self._issued_at(subject, now),
            "exp": math.ceil(now + seconds),
            "jti": secrets.token_hex(16),
            "groups": list(groups),
            "scope": scope_text(scope),
        }
        if family is not None:
            claims["family"] = family
        token = jwt.encode(claims, key.signing, self.keys.algorithm, {"kid": key.kid})
        if len(token) > MAX_TOKEN:
            raise ValueError(f"the token would have over {MAX_TOKEN} characters")
        self.counts["issued"] += 1
        return token

    def _issued_at(self, subject: str, now: float) -> int:
        """Return the second for the `iat` of a token that is issued now.

        A revocation covers its whole second; a token issued later in it is of the next second.
        """
        revoked = self.store.revoked_at("sub", subject)
        return int(now) if revoked is None else max(int(now), revoked + 1)

    def verify(self, token: str) -> Claims:
        """Return the claims of a token that is valid now. Raises TokenInvalid with the reason.

        The algorithm is the configured one, not that of the token's header.
        """
        with self._counting_refusals():
            return self._checked(token)

    def peek(self, token: str) -> Claims | None:
        """Return the claims of a token that is valid now, else None; a refusal is not counted."""
        try:
            return self._checked(token)
        except TokenInvalid:
            return None

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except TokenInvalid:
            self.counts["refused"] += 1
            raise

    def _checked(self, token: str) -> Claims:
        claims = decode(token, self.keys, self.settings, self.clock.wall())
        self.check_not_revoked(claims)
        return claims

    def check_not_revoked(self, claims: Claims) -> None:
        """Raise TokenInvalid if a token or a log-in was revoked, StorageAway without an answer."""
        at = self.store.revoked_at("sub", claims.subject)
        if (at is not None and int(claims["iat"]) <= at) or any(
            name in claims and self.store.revoked_at(name, str(claims[name])) is not None
            for name in _NAMED
        ):
            raise TokenInvalid("the token was revoked")

    # Refresh tokens.

    def issue_refresh(
        self,
        subject: str,
        groups: Collection[str] = (),
        scope: str | Collection[str] = (),
        family: str | None = None,
        token: str | None = None,
        *,
        ttl: float | None = None,
        login: str | None = None,
    ) -> tuple[str, str]:
        """Return a refresh token and its family, which is a new one by default.

        `token` is a successor to keep; without it a random token is made. `ttl` is the life of the
        tokens that are issued for it, and `login` its log-in; both become parts of the grant.
        Raises NotIssued without a store that keeps it, ValueError for invalid claims.
        """
        self._need_store("refresh tokens")
        check_grant(subject, groups)
        family = family or new_family()
        token = token or secrets.token_urlsafe(32)
        now = self.clock.wall()
        grant: dict[str, Any] = {
            "subject": subject,
            "groups": list(groups),
            "scope": scope_text(scope),
            "at": self._issued_at(subject, now),
        }
        if ttl is not None:
            grant["ttl"] = ttl
        if login is not None:
            grant["login"] = login
        until = now + self.settings.refresh_ttl
        self.store.put_refresh(digest(token), Refresh(grant, family), until, now)
        return token, family

    def spend_refresh(self, token: str) -> Refresh:
        """Use a refresh token, which is valid once (RFC 9700 §4.14.2); return its record.

        A second use within `refresh_grace` seconds, while the successor is unused, is a retry of
        a request whose answer was lost, and gets the same `salt`. Any other second use means that
        the token leaked: its family is revoked, with the tokens issued for it. Raises
        TokenInvalid, and NotIssued without a store that keeps refresh tokens.
        """
        self._need_store("refresh tokens")
        now = self.clock.wall()
        grace = self.settings.refresh_grace
        found = self.store.spend_refresh(digest(token), now, new_salt(), grace)
        if found is not None and found.spent and not self._is_retried(token, found):
            self.revoke_family(found.family, found.subject)
            found = None
        if found is not None and self.store.revoked_at("family", found.family) is not None:
            found = None
        at = None if found is None else self.store.revoked_at("sub", found.subject)
        with self._counting_refusals():
            if found is None or (at is not None and found.grant["at"] <= at):
                raise TokenInvalid("the refresh token is unknown, used, expired or revoked")
        return found

    def _is_retried(self, token: str, found: Refresh) -> bool:
        """Return whether a spent refresh token may be used again: its successor is unused."""
        if not found.salt:
            return False
        successor = self.find_refresh(successor_of(token, found.salt))
        return successor is None or not successor.spent

    # Tickets.

    def issue_ticket(self, claims: Claims) -> str:
        """Return a ticket, which opens one connection within `ticket_ttl` seconds.

        Raises NotIssued without a store that keeps it.
        """
        self._need_store("tickets")
        ticket = secrets.token_urlsafe(32)
        now = self.clock.wall()
        self.store.put_ticket(digest(ticket), dict(claims), now + self.settings.ticket_ttl, now)
        return ticket

    def redeem(self, ticket: str) -> Claims:
        """Use a ticket; return the claims it was issued for. Raises TokenInvalid."""
        now = self.clock.wall()
        found = self.store.take_ticket(digest(ticket), now)
        with self._counting_refusals():
            if found is None or float(found["exp"]) + self.settings.token_leeway <= now:
                raise TokenInvalid("the ticket is unknown, used or expired")
            claims = Claims(found)
            self.check_not_revoked(claims)
        return claims

    # Revocation.

    def revoke(self, claims: Claims) -> None:
        """Revoke one token, which ends its connections. Raises NotIssued."""
        until = claims.expires_at + self.settings.token_leeway + 1
        self._revoke("jti", claims.token_id, until, claims.subject)

    def find_refresh(self, token: str) -> Refresh | None:
        """Return the record of a refresh token without using it, None for an unknown one."""
        return self.store.find_refresh(digest(token), self.clock.wall())

    def revoke_family(self, family: str, subject: str) -> None:
        """Revoke the refresh tokens of a family of `subject`, and the tokens issued for them.

        Raises NotIssued.
        """
        longest = max(self.settings.refresh_ttl, self.settings.token_ttl)
        until = self.clock.wall() + longest + self.settings.token_leeway
        self._revoke("family", family, until, subject)

    def revoke_subject(self, subject: str) -> None:
        """Revoke all tokens that a subject has, those of this second included. Raises NotIssued."""
        self._revoke("sub", subject, self.clock.wall() + SUBJECT_REVOKED_FOR)

    def revoke_id(self, token_id: str) -> None:
        """Revoke the token with this `jti`. Raises NotIssued."""
        self._revoke("jti", token_id, self.clock.wall() + SUBJECT_REVOKED_FOR)

    def revoke_log_in(self, name: str, until: float) -> None:
        """Revoke a log-in to the status page, which would end at `until`. Raises NotIssued."""
        self._revoke("login", name, until)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each `Revocation`."""
        self.store.listen(listener)

    def _revoke(self, kind: Kind, value: str, until: float, owner: str | None = None) -> None:
        """Keep a revocation, as one of the subject `owner` if given. Raises NotIssued."""
        self._need_store("revocations")
        now = self.clock.wall()
        try:
            self.store.revoke(Revocation(kind, value, int(now)), until, now, owner)
        except SubjectFull:  # then all of its tokens, in one entry
            self.store.revoke(
                Revocation("sub", str(owner), int(now)), now + SUBJECT_REVOKED_FOR, now
            )
        self.counts["revoked"] += 1

    @property
    def can_remember(self) -> bool:
        """Return whether tickets, refresh tokens and revocations work here."""
        return self.store.shared or not self.several_processes

    def _need_store(self, what: str) -> None:
        if not self.can_remember:
            raise NotIssued(
                f"{what} need a storage that all processes share: run one worker, or add Redis"
            )
