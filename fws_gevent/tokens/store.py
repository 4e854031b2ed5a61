"""The store of tickets, refresh tokens and revocations."""

from __future__ import annotations

import hashlib
import heapq
import secrets
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from ..errors import StoreFull, SubjectFull
from .expiring import Expiring

Kind = Literal["jti", "family", "sub", "login"]

# Bounds of one subject, so that it can't take the room of the others: a new entry replaces its
# oldest one. A subject may stand for many people, such as guests, so the bounds are wide.
TICKETS_EACH = 1000
"""Unused tickets of one subject."""

REFRESH_EACH = 50
"""Unused refresh tokens of one subject."""

SPENT_EACH = 200
"""Used refresh tokens of one subject that are kept, so that a second use is noticed."""

REVOKED_EACH = 100
"""Revoked tokens and families of one subject; with more, the subject is revoked."""


class Revocation(NamedTuple):
    """A revocation.

    It is that of one token (`jti`), of a family of refresh tokens, of all that a subject has so
    far (`sub`), or of a log-in to the status page.
    """

    kind: Kind
    value: str
    at: int
    """Seconds since 1970; that of a subject revokes the tokens issued until then."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """The grant of a refresh token, and whether the token was used before.

    Its successor is made with `salt` (see `succession`), which is empty before the first use, and
    once the grace for a retry is over.
    """

    grant: dict[str, Any]
    family: str
    spent: bool = False
    salt: str = field(default="", compare=False)

    @property
    def subject(self) -> str:
        """The subject of the grant."""
        return str(self.grant["subject"])


Listener = Callable[[Revocation], None]


class TokenStore(ABC):
    """Keeps tickets and refresh tokens by their digests, and revocations, until they end.

    A store is `shared` if all processes of a server see the same. Each method is atomic. Times
    are seconds since 1970.
    """

    shared = False

    @abstractmethod
    def put_ticket(self, digest: str, claims: dict[str, Any], until: float, now: float) -> None:
        """Keep a ticket. Raises StoreFull."""

    @abstractmethod
    def take_ticket(self, digest: str, now: float) -> dict[str, Any] | None:
        """Take a ticket out; return its claims, or None for an unknown one."""

    @abstractmethod
    def put_refresh(self, digest: str, refresh: Refresh, until: float, now: float) -> None:
        """Keep a refresh token, unless it is kept already. Raises StoreFull."""

    @abstractmethod
    def find_refresh(self, digest: str, now: float) -> Refresh | None:
        """Return the record of a refresh token without using it; None for an unknown one."""

    @abstractmethod
    def spend_refresh(
        self, digest: str, now: float, salt: str = "", grace: float = 0.0
    ) -> Refresh | None:
        """Use a refresh token; return its record, or None for an unknown one.

        `spent` is false at the first use, whose `salt` is kept for `grace` seconds, and returned
        for each use meanwhile.
        """

    @abstractmethod
    def revoke(
        self, revocation: Revocation, until: float, now: float, owner: str | None = None
    ) -> None:
        """Keep a revocation and call the listeners.

        It counts as one of the subject `owner`, if given. Raises SubjectFull if that subject has
        REVOKED_EACH already, StoreFull if the store is full.
        """

    @abstractmethod
    def revoked_at(self, kind: Kind, value: str) -> int | None:
        """Return the time of a revocation, or None."""

    @abstractmethod
    def listen(self, listener: Listener) -> None:
        """Call `listener` for each revocation from now on, of any process."""


class MemoryTokenStore(TokenStore):
    """A store in the memory of this process, with `limit` entries of each kind at most.

    New refresh tokens replace the oldest used ones where there is no room.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._tickets: Expiring[dict[str, Any]] = Expiring("tickets", limit, TICKETS_EACH)
        self._refresh: Expiring[Refresh] = Expiring("refresh tokens", limit, REFRESH_EACH)
        self._spent: Expiring[Refresh] = Expiring("used ones", limit, SPENT_EACH, evicts=True)
        self._salts: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._revoked: dict[tuple[Kind, str], tuple[float, int]] = {}
        self._ends: list[tuple[float, Kind, str]] = []
        self._revoked_of: Expiring[None] = Expiring("revocations", limit, REVOKED_EACH, evicts=True)
        self._listeners: list[Listener] = []

    def put_ticket(self, digest: str, claims: dict[str, Any], until: float, now: float) -> None:
        """Keep a ticket. Raises StoreFull."""
        self._tickets.put(digest, claims, str(claims.get("sub", "")), until, now)

    def take_ticket(self, digest: str, now: float) -> dict[str, Any] | None:
        """Take a ticket out; return its claims, or None for an unknown one."""
        found = self._tickets.pop(digest, now)
        return None if found is None else found[1]

    def put_refresh(self, digest: str, refresh: Refresh, until: float, now: float) -> None:
        """Keep a refresh token, unless it is kept already. Raises StoreFull."""
        if self.find_refresh(digest, now) is None:
            self._refresh.put(digest, refresh, refresh.subject, until, now)

    def find_refresh(self, digest: str, now: float) -> Refresh | None:
        """Return the record of a refresh token without using it; None for an unknown one."""
        return self._refresh.get(digest, now) or self._spent.get(digest, now)

    def spend_refresh(
        self, digest: str, now: float, salt: str = "", grace: float = 0.0
    ) -> Refresh | None:
        """Use a refresh token; return its record, or None for an unknown one."""
        while self._salts and next(iter(self._salts.values()))[0] <= now:
            self._salts.popitem(last=False)
        found = self._refresh.pop(digest, now)
        if found is None:
            spent = self._spent.get(digest, now)
            salt = self._salts.get(digest, (0.0, ""))[1]
            return None if spent is None else replace(spent, salt=salt)
        until, refresh = found
        self._spent.put(digest, replace(refresh, spent=True), refresh.subject, until, now)
        if grace > 0:
            self._salts[digest] = (now + grace, salt)
        return replace(refresh, salt=salt)

    def revoke(
        self, revocation: Revocation, until: float, now: float, owner: str | None = None
    ) -> None:
        """Keep a revocation and call the listeners. Raises SubjectFull, StoreFull."""
        self._forget_revocations(now)
        kind, value, at = revocation
        known = self._revoked.get((kind, value))
        if known is not None:
            until, at = max(until, known[0]), max(at, known[1])
        elif len(self._revoked) >= self._limit:
            raise StoreFull(f"no room for more than {self._limit} revocations")
        else:
            if owner is not None:
                self._count(f"{kind}:{value}", owner, until, now)
            heapq.heappush(self._ends, (until, kind, value))
        self._revoked[kind, value] = (until, at)
        for listener in tuple(self._listeners):
            listener(revocation)

    def revoked_at(self, kind: Kind, value: str) -> int | None:
        """Return the time of a revocation, or None."""
        found = self._revoked.get((kind, value))
        return None if found is None else found[1]

    def listen(self, listener: Listener) -> None:
        """Call `listener` for each revocation from now on."""
        self._listeners.append(listener)

    def _count(self, name: str, owner: str, until: float, now: float) -> None:
        self._revoked_of.forget(owner, now)
        if self._revoked_of.count_of(owner) >= REVOKED_EACH:
            raise SubjectFull(f"no room for more than {REVOKED_EACH} revocations of a subject")
        self._revoked_of.put(name, None, owner, until, now)

    def _forget_revocations(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, kind, value = heapq.heappop(self._ends)
            until = self._revoked[kind, value][0]
            if until > now:  # it was revoked again, for longer
                heapq.heappush(self._ends, (until, kind, value))
            else:
                del self._revoked[kind, value]


def new_family() -> str:
    """Return a name for the family of a refresh token, its successors and their tokens."""
    return secrets.token_hex(16)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret with 256 random bits, the only part of it that is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
