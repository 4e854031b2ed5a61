"""Refresh tokens: one use each, and the effects of a second use."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from fws_gevent.clock import Clock
from fws_gevent.errors import NotIssued, StoreFull, TokenInvalid
from fws_gevent.tokens import Tokens
from fws_gevent.tokens.store import MemoryTokenStore, Refresh, digest
from fws_gevent.tokens.succession import successor_of

from ..clocks import ManualClock
from .issuing import refusal, service

REFUSED = "the refresh token is unknown, used, expired or revoked"


def spent_in_vain(tokens: Tokens, token: str) -> None:
    """Check that a refresh token is refused, with the reason that is the same for all."""
    before = tokens.counts["refused"]
    with pytest.raises(TokenInvalid) as caught:
        tokens.spend_refresh(token)
    assert str(caught.value) == REFUSED
    assert tokens.counts["refused"] == before + 1


def renewed(tokens: Tokens, token: str) -> tuple[str, str]:
    """Use a refresh token; return a token and the successor."""
    found = tokens.spend_refresh(token)
    said = {name: found.grant[name] for name in ("subject", "groups", "scope")}
    return tokens.issue(**said, family=found.family), tokens.issue_refresh(
        **said, family=found.family, token=successor_of(token, found.salt)
    )[0]


def test_a_refresh_token_has_the_grant_it_was_issued_for(clock: ManualClock) -> None:
    tokens = service(clock)
    token, family = tokens.issue_refresh("ada", ("room:*", "news"), ["publish", "admin"])
    grant = {"subject": "ada", "groups": ["room:*", "news"], "scope": "publish admin"}
    expected = Refresh(grant | {"at": int(clock.now)}, family)
    assert tokens.find_refresh(token) == expected
    assert tokens.spend_refresh(token) == expected
    found = tokens.find_refresh(token)
    assert found is not None
    assert found.spent


def test_a_refresh_token_is_of_the_given_family_or_of_a_new_one() -> None:
    tokens = service()
    assert tokens.issue_refresh("ada", family="f")[1] == "f"
    families = {tokens.issue_refresh("ada")[1] for _ in range(10)}
    assert len(families) == 10
    assert len({tokens.issue_refresh("ada", family="f")[0] for _ in range(10)}) == 10


@pytest.mark.parametrize(
    "wrong", [{"subject": ""}, {"subject": 5}, {"groups": "room"}, {"groups": [5]}, {"scope": [5]}]
)
def test_a_refresh_token_is_not_issued_for_invalid_claims(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        service().issue_refresh(**{"subject": "ada", **wrong})


@pytest.mark.parametrize("token", ["", "unknown", "\udcff\x00", "x" * 100_000])
def test_an_unknown_refresh_token_is_refused_and_revokes_nothing(token: str) -> None:
    tokens = service()
    assert tokens.find_refresh(token) is None
    spent_in_vain(tokens, token)
    assert tokens.counts["revoked"] == 0


def test_the_store_keeps_the_digest_of_a_refresh_token_alone() -> None:
    tokens = service()
    token, _ = tokens.issue_refresh("ada")
    assert token not in repr(vars(tokens.store))
    assert digest(token) in repr(vars(tokens.store))
    spent_in_vain(tokens, digest(token))


def test_refresh_tokens_go_on_as_long_as_each_is_used_once() -> None:
    tokens = service()
    refresh, _ = tokens.issue_refresh("ada", ["room:*"], "publish")
    for _ in range(5):
        token, refresh = renewed(tokens, refresh)
        claims = tokens.verify(token)
        assert claims.subject == "ada"
        assert claims.groups == ("room:*",)
        assert claims.scope == {"publish"}
    assert tokens.counts["revoked"] == 0


def test_a_retry_within_the_grace_gets_the_same_successor(clock: ManualClock) -> None:
    tokens = service(clock, refresh_grace=30)
    first, family = tokens.issue_refresh("ada", ["room:*"], "publish")
    successors = set()
    for _ in range(3):
        token, successor = renewed(tokens, first)
        assert tokens.verify(token).groups == ("room:*",)
        successors.add(successor)
        clock.advance(14.9)
    assert len(successors) == 1
    assert tokens.counts["revoked"] == 0
    token, third = renewed(tokens, successor)
    assert third not in (first, successor)
    assert tokens.find_refresh(third) == Refresh(
        {"subject": "ada", "groups": ["room:*"], "scope": "publish", "at": int(clock.now)}, family
    )


def test_a_retry_without_the_first_one_stored_gets_it_too() -> None:
    tokens = service()
    first, _ = tokens.issue_refresh("ada")
    lost = tokens.spend_refresh(first)  # and then the process that asked is gone
    _, successor = renewed(tokens, first)
    assert successor == successor_of(first, lost.salt)
    assert tokens.spend_refresh(successor).grant["subject"] == "ada"


@pytest.mark.parametrize(("grace", "later"), [(30, 30.1), (0, 0)])
def test_a_second_use_after_the_grace_revokes_the_family(
    grace: float, later: float, clock: ManualClock
) -> None:
    tokens = service(clock, refresh_grace=grace)
    first, family = tokens.issue_refresh("ada")
    access, successor = renewed(tokens, first)
    clock.advance(later)
    spent_in_vain(tokens, first)
    assert tokens.store.revoked_at("family", family) is not None
    assert refusal(tokens, access) == "the token was revoked"
    spent_in_vain(tokens, successor)


def test_a_second_use_after_that_of_the_successor_revokes_the_family(clock: ManualClock) -> None:
    tokens = service(clock, refresh_grace=30)
    first, family = tokens.issue_refresh("ada")
    _, second = renewed(tokens, first)
    _, third = renewed(tokens, second)
    spent_in_vain(tokens, first)
    assert tokens.store.revoked_at("family", family) is not None
    spent_in_vain(tokens, third)


def test_the_salt_kept_for_a_retry_does_not_make_a_token_by_itself(clock: ManualClock) -> None:
    tokens = service(clock)
    first, _ = tokens.issue_refresh("ada")
    found = tokens.spend_refresh(first)
    successor = successor_of(first, found.salt)
    kept = repr(vars(tokens.store))
    assert found.salt in kept
    assert first not in kept
    assert successor not in kept
    for guess in (found.salt, successor_of(found.salt, found.salt), successor_of(first, "")):
        assert tokens.find_refresh(guess) is None
    clock.advance(31)
    other, _ = tokens.issue_refresh("bob")
    tokens.spend_refresh(other)
    assert found.salt not in repr(vars(tokens.store))


def test_a_second_use_revokes_all_tokens_of_the_family() -> None:
    tokens = service()
    first, family = tokens.issue_refresh("ada")
    initial = tokens.issue("ada", family=family)
    access, second = renewed(tokens, first)
    later, third = renewed(tokens, second)
    others, _ = tokens.issue_refresh("ada")
    other = tokens.issue("ada", family="other")
    without = tokens.issue("ada")
    spent_in_vain(tokens, first)
    assert tokens.counts["revoked"] == 1
    for token in (initial, access, later):
        assert refusal(tokens, token) == "the token was revoked"
    for token in (third, second, first):
        spent_in_vain(tokens, token)
    assert tokens.verify(other).subject == tokens.verify(without).subject == "ada"
    assert tokens.spend_refresh(others).grant["subject"] == "ada"


class Yielding(Clock):
    """A clock that lets others run before it tells the time."""

    def wall(self) -> float:
        gevent.sleep(0)
        return super().wall()


def test_of_many_uses_of_one_refresh_token_at_once_one_wins() -> None:
    def use() -> Refresh | None:
        try:
            return tokens.spend_refresh(token)
        except TokenInvalid:
            return None

    tokens = service(Yielding(), refresh_grace=0)
    token, family = tokens.issue_refresh("ada")
    racing = [gevent.spawn(use) for _ in range(10)]
    gevent.joinall(racing, timeout=20, raise_error=True)
    winners = [each.value for each in racing if each.value is not None]
    assert len(winners) == 1
    assert not winners[0].spent
    assert tokens.store.revoked_at("family", family) is not None


def test_a_refresh_token_ends_with_its_time(clock: ManualClock) -> None:
    tokens = service(clock, refresh_ttl=50)
    first, second = (tokens.issue_refresh("ada")[0] for _ in range(2))
    clock.advance(49.9)
    assert tokens.spend_refresh(first).grant["subject"] == "ada"
    clock.advance(0.1)
    spent_in_vain(tokens, second)
    assert tokens.find_refresh(second) is None
    spent_in_vain(tokens, first)
    assert tokens.counts["revoked"] == 0


def test_revoking_a_family_ends_its_refresh_tokens_and_its_tokens() -> None:
    tokens = service()
    refresh, family = tokens.issue_refresh("ada")
    token = tokens.issue("ada", family=family)
    tokens.revoke_family(family, "ada")
    spent_in_vain(tokens, refresh)
    assert refusal(tokens, token) == "the token was revoked"


def test_a_family_stays_revoked_as_long_as_its_tokens_live(clock: ManualClock) -> None:
    tokens = service(clock, refresh_ttl=10, token_ttl=1000)
    token = tokens.issue("ada", family="f")
    tokens.revoke_family("f", "ada")
    clock.advance(60)
    tokens.revoke_id("something else")
    assert refusal(tokens, token) == "the token was revoked"


def test_revoking_a_subject_ends_its_refresh_tokens_so_far(clock: ManualClock) -> None:
    tokens = service(clock)
    hers, same_second, his = (tokens.issue_refresh(name)[0] for name in ("ada", "ada", "bob"))
    clock.advance(0.9)
    tokens.revoke_subject("ada")
    for token in (hers, same_second):
        spent_in_vain(tokens, token)
    assert tokens.spend_refresh(his).grant["subject"] == "bob"
    clock.advance(1)
    assert tokens.spend_refresh(tokens.issue_refresh("ada")[0]).grant["subject"] == "ada"


def test_repeated_use_of_a_spent_refresh_token_does_not_fill_the_store(clock: ManualClock) -> None:
    tokens = service(clock, refresh_grace=0)
    tokens.store = MemoryTokenStore(limit=3)
    refresh, _ = tokens.issue_refresh("ada")
    tokens.spend_refresh(refresh)
    for _ in range(20):
        clock.advance(1)
        spent_in_vain(tokens, refresh)
    tokens.revoke_subject("bob")
    tokens.revoke_subject("eve")
    with pytest.raises(StoreFull):
        tokens.revoke_subject("one too many")


def test_with_a_full_store_a_refresh_token_is_not_issued() -> None:
    tokens = service()
    tokens.store = MemoryTokenStore(limit=1)
    tokens.issue_refresh("ada")
    with pytest.raises(NotIssued, match="no room for more than 1 refresh tokens"):
        tokens.issue_refresh("ada")
