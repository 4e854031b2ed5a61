"""What has to be remembered of tokens: tickets, refresh tokens, and what was revoked."""

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
from .kept import Kept

Kind = Literal["jti", "family", "sub", "login"]

# Bounds of one subject, so that it does not take the room of the others: its oldest entry gives
# way to a new one. A subject may stand for many people, such as guests, so the bounds are wide.
TICKETS_EACH = 1000
"""Tickets of one subject that are not used yet."""

REFRESH_EACH = 50
"""Refresh tokens of one subject that are good for a use."""

SPENT_EACH = 200
"""Used refresh tokens of one subject that are remembered, to notice a second use."""

REVOKED_EACH = 100
"""Single tokens and families of one subject that are revoked; with more, the subject is."""


class Revocation(NamedTuple):
    """What is no longer valid.

    One token (`jti`), a family of refresh tokens, what a subject has so far (`sub`), or a log-in
    to the status page.
    """

    kind: Kind
    value: str
    at: int
    """Seconds since 1970; of a subject, the tokens issued until then."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh token was issued for, and whether it was used before.

    `salt` makes the token that takes its place (see `succession`); it is empty before the first
    use, and once the grace of a retry is over.
    """

    grant: dict[str, Any]
    family: str
    spent: bool = False
    salt: str = field(default="", compare=False)

    @property
    def subject(self) -> str:
        """The subject that it was issued for."""
        return str(self.grant["subject"])


Listener = Callable[[Revocation], None]


class TokenStore(ABC):
    """Keeps tickets and refresh tokens by their digests, and revocations, as long as they count.

    `shared` says whether all processes of a server see the same. Each method is atomic.
    Times are seconds since 1970.
    """

    shared = False

    @abstractmethod
    def put_ticket(self, digest: str, claims: dict[str, Any], until: float, now: float) -> None:
        """Keep a ticket. Raises StoreFull."""

    @abstractmethod
    def take_ticket(self, digest: str, now: float) -> dict[str, Any] | None:
        """The claims of a ticket, which ends with this; None for one that isn't there."""

    @abstractmethod
    def put_refresh(self, digest: str, refresh: Refresh, until: float, now: float) -> None:
        """Keep a refresh token; one that is kept already stays as it is. Raises StoreFull."""

    @abstractmethod
    def find_refresh(self, digest: str, now: float) -> Refresh | None:
        """What a refresh token stands for, without using it."""

    @abstractmethod
    def spend_refresh(
        self, digest: str, now: float, salt: str = "", grace: float = 0.0
    ) -> Refresh | None:
        """Use a refresh token; return what it stands for, or None for an unknown one.

        `spent` is false for the first who asks, and `salt` is theirs then. It is kept for `grace`
        seconds, and returned to all who ask meanwhile.
        """

    @abstractmethod
    def revoke(
        self, revocation: Revocation, until: float, now: float, owner: str | None = None
    ) -> None:
        """Keep a revocation and tell the listeners.

        Counts it to the subject `owner`, if given. Raises SubjectFull where that one has
        REVOKED_EACH already, StoreFull where there is no room at all.
        """

    @abstractmethod
    def revoked_at(self, kind: Kind, value: str) -> int | None:
        """When something was revoked, or None."""

    @abstractmethod
    def listen(self, listener: Listener) -> None:
        """Call `listener` for each revocation from now on, in whatever process it is made."""


class MemoryTokenStore(TokenStore):
    """A store in this process's memory, gone with it; `limit` entries of each sort at most.

    Of refresh tokens that were used the oldest give way, so that they keep out no new ones.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._tickets: Kept[dict[str, Any]] = Kept("tickets", limit, TICKETS_EACH)
        self._refresh: Kept[Refresh] = Kept("refresh tokens", limit, REFRESH_EACH)
        self._spent: Kept[Refresh] = Kept("used ones", limit, SPENT_EACH, gives_way=True)
        self._salts: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._revoked: dict[tuple[Kind, str], tuple[float, int]] = {}
        self._ends: list[tuple[float, Kind, str]] = []
        self._revoked_of: Kept[None] = Kept("revocations", limit, REVOKED_EACH, gives_way=True)
        self._listeners: list[Listener] = []

    def put_ticket(self, digest: str, claims: dict[str, Any], until: float, now: float) -> None:
        """Keep a ticket. Raises StoreFull."""
        self._tickets.put(digest, claims, str(claims.get("sub", "")), until, now)

    def take_ticket(self, digest: str, now: float) -> dict[str, Any] | None:
        """The claims of a ticket, which ends with this; None for one that isn't there."""
        found = self._tickets.pop(digest, now)
        return None if found is None else found[1]

    def put_refresh(self, digest: str, refresh: Refresh, until: float, now: float) -> None:
        """Keep a refresh token; one that is kept already stays as it is. Raises StoreFull."""
        if self.find_refresh(digest, now) is None:
            self._refresh.put(digest, refresh, refresh.subject, until, now)

    def find_refresh(self, digest: str, now: float) -> Refresh | None:
        """What a refresh token stands for, without using it."""
        return self._refresh.get(digest, now) or self._spent.get(digest, now)

    def spend_refresh(
        self, digest: str, now: float, salt: str = "", grace: float = 0.0
    ) -> Refresh | None:
        """Use a refresh token; return what it stands for, or None for an unknown one."""
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
        """Keep a revocation and tell the listeners. Raises SubjectFull, StoreFull."""
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
        """When something was revoked, or None."""
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
    """The name of a new family: a refresh token, its successors, and what is issued for them."""
    return secrets.token_hex(16)


def digest(secret: str) -> str:
    """What is kept of a secret with 256 random bits: its SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
