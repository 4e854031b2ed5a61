"""Keeps tickets, refresh tokens and revocations in Redis, for all nodes."""

from __future__ import annotations

import json
import secrets
from typing import Any, get_args

import redis
from redis.exceptions import NoScriptError

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import StorageAway, StoreFull, SubjectFull
from ..logs.loggers import get_logger
from ..redis_io.keys import Keys
from ..redis_io.publishing import StreamTerms
from ..redis_io.scripts import OWN, REVOKE, SPEND, TAKE, Script
from ..redis_io.servers import RedisServers
from ..tokens.store import (
    REFRESH_EACH,
    REVOKED_EACH,
    SPENT_EACH,
    TICKETS_EACH,
    Kind,
    Listener,
    MemoryTokenStore,
    Refresh,
    Revocation,
    TokenStore,
    digest,
)

_log = get_logger("redis")

MAX_REVOCATIONS = 100_000
"""The largest number of revocations."""

TAKEN = 10.0
"""Seconds that a used ticket is remembered, so that the same attempt may ask again."""

_PAGE = 1000  # revocations in one answer of Redis


class RedisTokenStore(TokenStore):
    """Keeps secrets by their SHA-256, each for as long as it is valid.

    A node that follows everybody's stream has all revocations in memory, so that the check of a
    token does not ask Redis. Each method raises StorageAway if Redis does not answer.
    """

    shared = True

    def __init__(
        self, servers: RedisServers, keys: Keys, terms: StreamTerms, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        self.following = False
        """True while all revocations are in memory, and `on_revoked` gets each new one."""
        self.terms = terms
        """The bounds of everybody's stream."""
        self._servers = servers
        self._keys = keys
        self._known = MemoryTokenStore(MAX_REVOCATIONS)

    def put_ticket(self, digest: str, claims: dict[str, Any], until: float, now: float) -> None:
        """Keep a ticket. The subject's oldest one is removed if it has too many."""
        owner = str(claims.get("sub", ""))
        for gone in self._count("tickets", digest, owner, until, now, TICKETS_EACH):
            self._ask("DEL", self._keys.ticket(gone))
        self._ask("SET", self._keys.ticket(digest), json.dumps(claims), "PX", _ms(until - now))

    def take_ticket(self, digest: str, now: float) -> dict[str, Any] | None:  # noqa: ARG002 - Redis has a clock
        """Use a ticket and return its claims, or None if there is no such ticket."""
        found = self._take(self._keys.ticket(digest))
        if found is None:
            return None
        claims = dict(json.loads(found))
        try:
            self._ask("ZREM", self._owned(str(claims.get("sub", "")), "tickets"), digest)
        except StorageAway as error:  # it is used, and counts until its lifetime is over
            _log.debug("a used ticket still counts: %s", error)
        return claims

    def _take(self, key: bytes) -> Any:
        """Take a ticket, and ask once more, as the same attempt, if the answer is lost."""
        attempt = secrets.token_hex(8)
        for left in (1, 0):
            try:
                return self._run(TAKE, [key], [attempt, _ms(TAKEN)])
            except StorageAway:
                if not left:
                    raise
        return None

    def put_refresh(self, digest: str, refresh: Refresh, until: float, now: float) -> None:
        """Keep a refresh token. The subject's oldest one is removed if it has too many."""
        for gone in self._count("refresh", digest, refresh.subject, until, now, REFRESH_EACH):
            self._ask("DEL", self._keys.refresh(gone))
        value = json.dumps({"grant": refresh.grant, "family": refresh.family})
        spent = "1" if refresh.spent else "0"
        self._ask("SET", self._keys.refresh(digest), spent + value, "PX", _ms(until - now),
                  "NX")  # fmt: skip

    def find_refresh(self, digest: str, now: float) -> Refresh | None:  # noqa: ARG002 - Redis has a clock
        """Return the grant of a refresh token, without using it."""
        return _refresh(self._ask("GET", self._keys.refresh(digest)))

    def spend_refresh(
        self, digest: str, now: float, salt: str = "", grace: float = 0.0
    ) -> Refresh | None:
        """Use a refresh token; return its grant, or None for an unknown one."""
        keys = [self._keys.refresh(digest), self._keys.successor(digest)]
        answer = self._run(SPEND, keys, [salt, int(grace * 1000)])
        found = _refresh(answer[0], answer[1].decode()) if answer else None
        if found is not None:  # also the second time: the answer to the first may be lost
            until = now + max(1.0, float(self._ask("TTL", self._keys.refresh(digest))))
            for gone in self._count(
                "spent", digest, found.subject, until, now, SPENT_EACH, instead_of="refresh"
            ):
                self._ask("DEL", self._keys.refresh(gone))
        return found

    def revoke(
        self, revocation: Revocation, until: float, now: float, owner: str | None = None
    ) -> None:
        """Keep a revocation and tell all nodes. Raises SubjectFull, StoreFull."""
        kind, value, at = revocation
        if owner is not None:
            self._count(
                "revoked", f"{kind}:{value}", owner, until, now, REVOKED_EACH, gives_way=False
            )
        fresh, terms = secrets.token_hex(8), self.terms
        keys = [self._keys.revoked, self._keys.revoked_until, self._keys.stream(None)]
        kept = self._run(REVOKE, keys, [
            f"{kind}:{value}", at, until, now, MAX_REVOCATIONS, terms.length, terms.life_ms,
            fresh, fresh, self._servers.publish_command,
        ])  # fmt: skip
        if not kept:
            raise StoreFull(f"no room for more than {MAX_REVOCATIONS} revocations")
        self._known.revoke(revocation, until, now)

    def revoked_at(self, kind: Kind, value: str) -> int | None:
        """Return the time of a revocation, or None."""
        if self.following:
            return self._known.revoked_at(kind, value)
        found = self._ask("HGET", self._keys.revoked, f"{kind}:{value}")
        return None if found is None else int(found)

    def listen(self, listener: Listener) -> None:
        """Call `listener` for each revocation from now on, of whatever node."""
        self._known.listen(listener)

    # Called on a node that follows everybody's stream.

    def on_revoked(self, data: bytes) -> None:
        """Keep a revocation from everybody's stream."""
        try:
            name, at, until = data.decode().rsplit(" ", 2)
            kind, _, value = name.partition(":")
            self._keep(kind, value, int(float(at)), float(until))
        except (ValueError, OverflowError) as error:
            _log.warning("ignored a malformed revocation: %s", error)

    def load(self) -> None:
        """Load all revocations from Redis. Raises redis.RedisError."""
        client, ignored = self._servers.client, 0
        times = dict(client.zscan_iter(self._keys.revoked_until, count=_PAGE))
        for name, at in client.hscan_iter(self._keys.revoked, count=_PAGE):
            try:
                kind, _, value = name.decode().partition(":")
                self._keep(kind, value, int(at), times.get(name, 0.0))
            except (ValueError, OverflowError, StoreFull) as error:
                ignored += 1
                _log.debug("a revocation is ignored: %s", error)
        if ignored:
            _log.warning("ignored %d malformed revocations", ignored)
        self.following = True

    def _keep(self, kind: str, value: str, at: int, until: float) -> None:
        if kind not in get_args(Kind):
            raise ValueError(f"unknown kind {kind[:20]!r}")
        known = self._known.revoked_at(kind, value)  # type: ignore[arg-type]
        if known is None or known < at:
            revocation = Revocation(kind, value, at)  # type: ignore[arg-type]
            self._known.revoke(revocation, until, self._clock.wall())

    def _count(
        self,
        category: str,
        entry: str,
        owner: str,
        until: float,
        now: float,
        each: int,
        *,
        gives_way: bool = True,
        instead_of: str | None = None,
    ) -> list[str]:
        """Count an entry of its subject; return the oldest entries, which are to be removed for it.

        The entry no longer counts in the category `instead_of`. If there is no room and nothing
        `gives_way`, raise SubjectFull.
        """
        keys = [self._owned(owner, each) for each in (category, instead_of) if each is not None]
        args = [entry, until, now, each, "1" if gives_way else "0"]
        gone = self._run(OWN, keys, args)
        if gone == 0:
            raise SubjectFull(f"no room for more than {each} revocations of a subject")
        return [each.decode() for each in gone]

    def _owned(self, owner: str, category: str) -> bytes:
        return self._keys.owned(digest(owner), category)

    def _ask(self, *command: Any) -> Any:
        try:
            return self._servers.client.execute_command(*command)
        except (redis.RedisError, OSError) as error:
            raise StorageAway(f"Redis doesn't keep tokens now: {error}") from None

    def _run(self, script: Script, keys: list[bytes], args: list[Any]) -> Any:
        try:
            return self._servers.client.evalsha(script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return self._ask("EVAL", script.text, len(keys), *keys, *args)
        except (redis.RedisError, OSError) as error:
            raise StorageAway(f"Redis doesn't keep tokens now: {error}") from None


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _refresh(found: bytes | None, salt: str = "") -> Refresh | None:
    if found is None:
        return None
    value = json.loads(found[1:])
    return Refresh(value["grant"], value["family"], found[:1] == b"1", salt)
