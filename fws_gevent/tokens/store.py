"""What has to be remembered of tokens: tickets, refresh tokens, and what was revoked."""

from __future__ import annotations

import hashlib
import heapq
import secrets
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..errors import StoreFull

Kind = Literal["jti", "family", "sub"]


class Revocation(NamedTuple):
    """What is no longer valid: one token, a family of refresh tokens, or a subject's so far."""

    kind: Kind
    value: str
    at: int
    """Seconds since 1970; of a subject, the tokens issued until then."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh token was issued for, and whether it was used before."""

    grant: dict[str, Any]
    family: str
    spent: bool = False


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
        """Keep a refresh token. Raises StoreFull."""

    @abstractmethod
    def find_refresh(self, digest: str, now: float) -> Refresh | None:
        """What a refresh token stands for, without using it."""

    @abstractmethod
    def spend_refresh(self, digest: str, now: float) -> Refresh | None:
        """What a refresh token stands for; `spent` is true for all but the first who asks."""

    @abstractmethod
    def revoke(self, revocation: Revocation, until: float, now: float) -> None:
        """Keep a revocation and tell the listeners. Raises StoreFull."""

    @abstractmethod
    def revoked_at(self, kind: Kind, value: str) -> int | None:
        """When something was revoked, or None."""

    @abstractmethod
    def listen(self, listener: Listener) -> None:
        """Call `listener` for each revocation from now on, in whatever process it is made."""


class MemoryTokenStore(TokenStore):
    """A store in this process's memory, gone with it; `limit` entries of each sort at most."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._tickets: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self._refresh: OrderedDict[str, tuple[float, Refresh]] = OrderedDict()
        self._revoked: dict[tuple[Kind, str], tuple[float, int]] = {}
        self._ends: list[tuple[float, Kind, str]] = []
        self._listeners: list[Listener] = []

    def put_ticket(self, digest: str, claims: dict[str, Any], until: float, now: float) -> None:
        """Keep a ticket. Raises StoreFull."""
        self._make_room(self._tickets, now, "tickets")
        self._tickets[digest] = (until, claims)

    def take_ticket(self, digest: str, now: float) -> dict[str, Any] | None:
        """The claims of a ticket, which ends with this; None for one that isn't there."""
        until, claims = self._tickets.pop(digest, (0.0, {}))
        return claims if until > now else None

    def put_refresh(self, digest: str, refresh: Refresh, until: float, now: float) -> None:
        """Keep a refresh token. Raises StoreFull."""
        self._make_room(self._refresh, now, "refresh tokens")
        self._refresh[digest] = (until, refresh)

    def find_refresh(self, digest: str, now: float) -> Refresh | None:
        """What a refresh token stands for, without using it."""
        until, refresh = self._refresh.get(digest, (0.0, None))
        return refresh if until > now else None

    def spend_refresh(self, digest: str, now: float) -> Refresh | None:
        """What a refresh token stands for; `spent` is true for all but the first who asks."""
        refresh = self.find_refresh(digest, now)
        if refresh is not None and not refresh.spent:
            until = self._refresh[digest][0]
            self._refresh[digest] = (until, Refresh(refresh.grant, refresh.family, spent=True))
        return refresh

    def revoke(self, revocation: Revocation, until: float, now: float) -> None:
        """Keep a revocation and tell the listeners. Raises StoreFull."""
        self._forget_revocations(now)
        kind, value, at = revocation
        known = self._revoked.get((kind, value))
        if known is not None:
            until, at = max(until, known[0]), max(at, known[1])
        elif len(self._revoked) >= self._limit:
            raise StoreFull(f"no room for more than {self._limit} revocations")
        else:
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

    def _forget_revocations(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, kind, value = heapq.heappop(self._ends)
            until = self._revoked[kind, value][0]
            if until > now:  # it was revoked again, for longer
                heapq.heappush(self._ends, (until, kind, value))
            else:
                del self._revoked[kind, value]

    def _make_room(
        self, entries: OrderedDict[str, tuple[float, Any]], now: float, what: str
    ) -> None:
        # All of a sort live equally long, so the oldest are the first to end.
        while entries and next(iter(entries.values()))[0] <= now:
            entries.popitem(last=False)
        if len(entries) >= self._limit:
            raise StoreFull(f"no room for more than {self._limit} {what}")


def new_family() -> str:
    """The name of a new family: a refresh token, its successors, and what is issued for them."""
    return secrets.token_hex(16)


def digest(secret: str) -> str:
    """What is kept of a secret with 256 random bits: its SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
