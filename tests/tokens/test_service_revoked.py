"""Tickets, revocation, and several processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fws_gevent.errors import NotIssued, StoreFull, TokenInvalid
from fws_gevent.tokens import Claims, Tokens
from fws_gevent.tokens.service import SUBJECT_REVOKED_FOR
from fws_gevent.tokens.store import REVOKED_EACH, MemoryTokenStore, Revocation, digest

from ..clocks import ManualClock
from .issuing import issued_elsewhere, payload, refusal, service

REVOKED = "the token was revoked"
REFUSED = "the ticket is unknown, used or expired"


class SharedStore(MemoryTokenStore):
    """Stands for a store that all processes share."""

    shared = True


def redeemed_in_vain(tokens: Tokens, ticket: str) -> str:
    before = tokens.counts["refused"]
    with pytest.raises(TokenInvalid) as caught:
        tokens.redeem(ticket)
    assert tokens.counts["refused"] == before + 1
    assert len(ticket) < 10 or ticket not in str(caught.value)
    return str(caught.value)


# Tickets.


def test_a_ticket_is_redeemed_once_for_the_claims_of_its_token() -> None:
    tokens = service()
    claims = tokens.verify(tokens.issue("ada", ["room:*"], "publish"))
    ticket = tokens.issue_ticket(claims)
    other = tokens.issue_ticket(claims)
    redeemed = tokens.redeem(ticket)
    assert type(redeemed) is Claims
    assert redeemed == claims
    assert redeemed_in_vain(tokens, ticket) == REFUSED
    assert tokens.redeem(other) == claims


@pytest.mark.parametrize("ticket", ["", "unknown", "\udcff\x00", "x" * 100_000])
def test_an_unknown_ticket_is_refused(ticket: str) -> None:
    assert redeemed_in_vain(service(), ticket) == REFUSED


def test_the_store_keeps_the_digest_of_a_ticket_alone() -> None:
    tokens = service()
    ticket = tokens.issue_ticket(tokens.verify(tokens.issue("ada")))
    assert ticket not in repr(vars(tokens.store))
    assert redeemed_in_vain(tokens, digest(ticket)) == REFUSED
    assert tokens.redeem(ticket).subject == "ada"


def test_a_ticket_ends_with_its_time(clock: ManualClock) -> None:
    tokens = service(clock, ticket_ttl=5)
    claims = tokens.verify(tokens.issue("ada"))
    first, second = tokens.issue_ticket(claims), tokens.issue_ticket(claims)
    clock.advance(4.9)
    assert tokens.redeem(first).subject == "ada"
    clock.advance(0.1)
    assert redeemed_in_vain(tokens, second) == REFUSED


@pytest.mark.parametrize("leeway", [0, 10])
def test_a_ticket_ends_with_its_token(clock: ManualClock, leeway: int) -> None:
    tokens = service(clock, ticket_ttl=1000, token_leeway=leeway)
    claims = tokens.verify(tokens.issue("ada", ttl=200))
    first, second = tokens.issue_ticket(claims), tokens.issue_ticket(claims)
    clock.advance(199.9 + leeway)
    assert tokens.redeem(first).subject == "ada"
    clock.advance(0.1)
    assert redeemed_in_vain(tokens, second) == REFUSED


@pytest.mark.parametrize(
    "revoke",
    [
        lambda tokens, claims: tokens.revoke(claims),
        lambda tokens, claims: tokens.revoke_id(claims.token_id),
        lambda tokens, claims: tokens.revoke_subject("ada"),
        lambda tokens, claims: tokens.revoke_family("f", "ada"),
    ],
    ids=["token", "id", "subject", "family"],
)
def test_a_revocation_ends_tickets_too(revoke: Callable[[Tokens, Claims], None]) -> None:
    tokens = service()
    token = tokens.issue("ada", family="f")
    claims = tokens.verify(token)
    ticket = tokens.issue_ticket(claims)
    other = tokens.issue_ticket(tokens.verify(tokens.issue("bob", family="g")))
    revoke(tokens, claims)
    assert redeemed_in_vain(tokens, ticket) == REVOKED
    assert refusal(tokens, token) == REVOKED
    assert tokens.redeem(other).subject == "bob"


def test_with_a_full_store_a_ticket_is_issued_once_one_is_used() -> None:
    tokens = service()
    tokens.store = MemoryTokenStore(limit=1)
    claims = tokens.verify(tokens.issue("ada"))
    ticket = tokens.issue_ticket(claims)
    with pytest.raises(StoreFull):
        tokens.issue_ticket(claims)
    tokens.redeem(ticket)
    assert tokens.issue_ticket(claims) != ticket


# Revocation.


def test_revoking_a_token_leaves_the_others() -> None:
    tokens = service()
    first, second = tokens.issue("ada"), tokens.issue("ada")
    tokens.revoke(tokens.verify(first))
    assert refusal(tokens, first) == REVOKED
    assert tokens.verify(second).subject == "ada"


def test_a_token_of_another_application_may_be_revoked_by_its_id() -> None:
    tokens = service()
    tokens.revoke_id("theirs")
    assert refusal(tokens, issued_elsewhere(payload(jti="theirs"))) == REVOKED
    assert tokens.verify(issued_elsewhere(payload(jti="another"))).token_id == "another"


def test_revoking_a_subject_ends_its_tokens_so_far_and_not_later_ones(
    clock: ManualClock,
) -> None:
    tokens = service(clock)
    before = tokens.issue("ada")
    clock.advance(10.5)
    same_second = tokens.issue("ada")
    others = tokens.issue("bob")
    tokens.revoke_subject("ada")
    right_after = tokens.issue("ada")
    clock.advance(1)
    later = tokens.issue("ada")
    for token in (before, same_second):
        assert refusal(tokens, token) == REVOKED
    for token in (right_after, later):
        assert tokens.verify(token).subject == "ada"
    assert tokens.verify(others).subject == "bob"


def test_revoking_a_subject_again_ends_tokens_issued_meanwhile(clock: ManualClock) -> None:
    tokens = service(clock)
    tokens.revoke_subject("ada")
    clock.advance(10)
    token = tokens.issue("ada")
    tokens.revoke_subject("ada")
    assert refusal(tokens, token) == REVOKED


def test_a_token_stays_revoked_until_it_ends_leeway_included(clock: ManualClock) -> None:
    tokens = service(clock, token_leeway=300)
    token = tokens.issue("ada", ttl=10)
    tokens.revoke(tokens.verify(token))
    clock.advance(309.9)
    tokens.revoke_id("something else")
    assert refusal(tokens, token) == REVOKED
    clock.advance(0.1)
    assert refusal(tokens, token) == "the token has expired"


def test_revoking_a_token_twice_in_different_ways_keeps_it_revoked(clock: ManualClock) -> None:
    tokens = service(clock)
    claims = tokens.verify(tokens.issue("ada", ttl=1000))
    tokens.revoke_id(claims.token_id)
    tokens.revoke(claims)
    clock.advance(2000)
    tokens.revoke_id("something else")
    assert tokens.store.revoked_at("jti", claims.token_id) is not None
    clock.advance(SUBJECT_REVOKED_FOR)
    tokens.revoke_id("something else")
    assert tokens.store.revoked_at("jti", claims.token_id) is None


def test_listeners_hear_of_every_revocation_and_it_is_counted(clock: ManualClock) -> None:
    tokens = service(clock)
    heard: list[Revocation] = []
    tokens.listen(heard.append)
    claims = tokens.verify(tokens.issue("ada"))
    at = int(clock.now)
    clock.advance(0.5)
    tokens.revoke(claims)
    tokens.revoke_id("id")
    tokens.revoke_family("f", "ada")
    tokens.revoke_subject("ada")
    assert heard == [
        ("jti", claims.token_id, at),
        ("jti", "id", at),
        ("family", "f", at),
        ("sub", "ada", at),
    ]
    assert tokens.counts == {"issued": 1, "refused": 0, "revoked": 4}


def test_a_revocation_without_room_in_the_store_is_not_counted() -> None:
    tokens = service()
    tokens.store = MemoryTokenStore(limit=1)
    tokens.revoke_subject("ada")
    with pytest.raises(StoreFull):
        tokens.revoke_subject("bob")
    assert tokens.counts["revoked"] == 1


# Several processes.


NEEDING_A_STORE: dict[str, Callable[[Tokens, Claims], object]] = {
    "refresh": lambda tokens, claims: tokens.issue_refresh("ada"),
    "spending": lambda tokens, claims: tokens.spend_refresh("any"),
    "ticket": lambda tokens, claims: tokens.issue_ticket(claims),
    "token": lambda tokens, claims: tokens.revoke(claims),
    "id": lambda tokens, claims: tokens.revoke_id("id"),
    "family": lambda tokens, claims: tokens.revoke_family("f", "ada"),
    "subject": lambda tokens, claims: tokens.revoke_subject("ada"),
}


@pytest.mark.parametrize("name", NEEDING_A_STORE)
def test_several_processes_without_a_shared_store_refuse_to_use_one(name: str) -> None:
    tokens = service()
    assert tokens.can_remember
    tokens.several_processes = True
    assert not tokens.can_remember
    token = tokens.issue("ada")
    claims = tokens.verify(token)
    heard: list[Revocation] = []
    tokens.listen(heard.append)
    with pytest.raises(NotIssued, match="a storage that all processes share"):
        NEEDING_A_STORE[name](tokens, claims)
    assert tokens.verify(token) == claims
    assert redeemed_in_vain(tokens, "any") == REFUSED
    assert heard == []
    assert tokens.counts["revoked"] == 0


def test_several_processes_with_a_shared_store_see_the_same() -> None:
    first = service()
    first.store = SharedStore()
    second = Tokens(first.settings, first.keys, first.store)
    first.several_processes = second.several_processes = True
    assert first.can_remember
    token = first.issue("ada")
    ticket = first.issue_ticket(second.verify(token))
    assert second.redeem(ticket).subject == "ada"
    refresh, _ = first.issue_refresh("ada")
    assert second.spend_refresh(refresh).grant["subject"] == "ada"
    second.revoke_subject("ada")
    assert refusal(first, token) == REVOKED


def test_a_subject_with_many_revoked_tokens_is_revoked_as_a_whole() -> None:
    tokens = service()
    other = tokens.issue("bob")
    for _ in range(REVOKED_EACH + 1):
        tokens.revoke(tokens.verify(tokens.issue("ada")))
    kept = tokens.verify(tokens.issue("ada"))  # it counts from the next second on
    assert tokens.store.revoked_at("sub", "ada") is not None
    for _ in range(REVOKED_EACH):
        tokens.revoke(kept)
    assert tokens.store.revoked_at("jti", kept.token_id) is None
    assert tokens.peek(other) is not None
