"""The store in memory: its entries, their life and their limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.errors import NotIssued, StoreFull, SubjectFull
from fws_gevent.tokens.store import (
    REFRESH_EACH,
    REVOKED_EACH,
    SPENT_EACH,
    TICKETS_EACH,
    Kind,
    MemoryTokenStore,
    Refresh,
    Revocation,
)

GRANT = Refresh({"subject": "ada"}, "family")
NOW = 1000.0


@pytest.fixture
def store() -> MemoryTokenStore:
    return MemoryTokenStore(limit=3)


def test_memory_is_not_shared(store: MemoryTokenStore) -> None:
    assert not store.shared


def test_a_ticket_is_taken_once(store: MemoryTokenStore) -> None:
    store.put_ticket("a", {"sub": "ada"}, NOW + 1, NOW)
    store.put_ticket("b", {"sub": "bob"}, NOW + 1, NOW)
    assert store.take_ticket("a", NOW) == {"sub": "ada"}
    assert store.take_ticket("a", NOW) is None
    assert store.take_ticket("b", NOW) == {"sub": "bob"}
    assert store.take_ticket("c", NOW) is None


@pytest.mark.parametrize(("now", "there"), [(NOW + 0.9, True), (NOW + 1, False), (2e9, False)])
def test_a_ticket_ends_and_is_not_there_a_second_time(
    store: MemoryTokenStore, now: float, there: bool
) -> None:
    store.put_ticket("a", {"sub": "ada"}, NOW + 1, NOW)
    assert (store.take_ticket("a", now) is not None) is there
    assert store.take_ticket("a", NOW) is None


def test_a_refresh_token_is_spent_by_its_first_use(store: MemoryTokenStore) -> None:
    store.put_refresh("a", GRANT, NOW + 1, NOW)
    assert store.find_refresh("a", NOW) == GRANT
    assert store.find_refresh("a", NOW) == GRANT
    assert store.spend_refresh("a", NOW) == GRANT
    again = Refresh(GRANT.grant, GRANT.family, spent=True)
    assert store.spend_refresh("a", NOW) == again
    assert store.spend_refresh("a", NOW) == again
    assert store.find_refresh("a", NOW) == again
    assert store.spend_refresh("b", NOW) is None
    assert store.find_refresh("b", NOW) is None


def test_the_salt_of_the_first_use_is_kept_as_long_as_it_is_asked_for(
    store: MemoryTokenStore,
) -> None:
    store.put_refresh("a", GRANT, NOW + 100, NOW)
    salts = []
    for now, salt in ((NOW, "one"), (NOW + 9.9, "two"), (NOW + 10, "three")):
        found = store.spend_refresh("a", now, salt, 10)
        assert found is not None
        salts.append(found.salt)
    assert salts == ["one", "one", ""]
    store.put_refresh("a", GRANT, NOW + 200, NOW + 20)  # it is there, and stays as it is
    assert store.find_refresh("a", NOW + 20) == Refresh(GRANT.grant, GRANT.family, spent=True)
    assert store.find_refresh("a", NOW + 100) is None


@pytest.mark.parametrize("spent", [False, True])
def test_a_refresh_token_ends_spent_or_not(store: MemoryTokenStore, spent: bool) -> None:
    store.put_refresh("a", GRANT, NOW + 1, NOW)
    if spent:
        store.spend_refresh("a", NOW)
    assert store.find_refresh("a", NOW + 0.9) is not None
    assert store.find_refresh("a", NOW + 1) is None
    assert store.spend_refresh("a", NOW + 1) is None


def test_tickets_are_limited_until_some_end(store: MemoryTokenStore) -> None:
    for number in range(3):
        store.put_ticket(str(number), {}, NOW + 10 + number, NOW)
    for now in (NOW, NOW + 9.9):
        with pytest.raises(StoreFull, match="no room for more than 3 tickets"):
            store.put_ticket("more", {}, now + 10, now)
    store.put_ticket("more", {}, NOW + 20, NOW + 10)
    with pytest.raises(NotIssued):
        store.put_ticket("too many", {}, NOW + 20, NOW + 10)
    assert store.take_ticket("1", NOW + 10) == {}
    store.put_ticket("in its place", {}, NOW + 20, NOW + 10)
    assert store.take_ticket("more", NOW + 10) == {}


def test_refresh_tokens_are_limited_until_some_end(store: MemoryTokenStore) -> None:
    for number in range(3):
        store.put_refresh(str(number), GRANT, NOW + 10 + number, NOW)
    with pytest.raises(StoreFull, match="no room for more than 3 refresh tokens"):
        store.put_refresh("more", GRANT, NOW + 20, NOW + 9.9)
    store.put_refresh("more", GRANT, NOW + 20, NOW + 10)
    assert store.find_refresh("0", NOW) is None
    assert store.find_refresh("1", NOW + 10) == GRANT
    assert store.find_refresh("more", NOW + 10) == GRANT


def test_used_refresh_tokens_leave_room_for_new_ones(store: MemoryTokenStore) -> None:
    for number in range(4):
        store.put_refresh(str(number), GRANT, NOW + 10 + number, NOW)
        store.spend_refresh(str(number), NOW)
    assert store.find_refresh("0", NOW) is None
    for number in (1, 2, 3):
        found = store.find_refresh(str(number), NOW)
        assert found is not None
        assert found.spent
    store.put_refresh("next", GRANT, NOW + 20, NOW)
    assert store.find_refresh("next", NOW) == GRANT


def test_a_subject_can_not_take_the_room_of_the_others() -> None:
    store = MemoryTokenStore(limit=max(TICKETS_EACH, REVOKED_EACH) + 1)
    for number in range(TICKETS_EACH + 5):
        store.put_ticket(f"{number}", {"sub": "ada"}, NOW + 10, NOW)
    for number in range(REFRESH_EACH + 5):
        store.put_refresh(f"{number}", GRANT, NOW + 10, NOW)
    store.put_ticket("bob", {"sub": "bob"}, NOW + 10, NOW)
    store.put_refresh("bob", Refresh({"subject": "bob"}, "family"), NOW + 10, NOW)
    assert store.take_ticket("bob", NOW) is not None
    assert store.find_refresh("bob", NOW) is not None
    # The oldest of that subject gave way, and those alone.
    assert store.take_ticket("4", NOW) is None
    assert store.take_ticket("5", NOW) is not None
    assert store.find_refresh("4", NOW) is None
    assert store.find_refresh("5", NOW) is not None


def test_used_refresh_tokens_of_a_subject_are_remembered_up_to_a_bound() -> None:
    store = MemoryTokenStore()
    for number in range(SPENT_EACH + 1):
        store.put_refresh(f"{number}", GRANT, NOW + 10, NOW)
        store.spend_refresh(f"{number}", NOW)
    assert store.find_refresh("0", NOW) is None
    assert store.find_refresh("1", NOW) is not None


def test_a_subject_has_so_many_revocations_of_single_tokens_until_some_end() -> None:
    store = MemoryTokenStore()
    for number in range(REVOKED_EACH):
        store.revoke(Revocation("jti", f"{number}", 5), NOW + 10, NOW, "ada")
    store.revoke(Revocation("jti", "0", 6), NOW + 10, NOW, "ada")
    with pytest.raises(SubjectFull):
        store.revoke(Revocation("family", "more", 5), NOW + 10, NOW, "ada")
    assert store.revoked_at("family", "more") is None
    store.revoke(Revocation("jti", "his", 5), NOW + 10, NOW, "bob")
    store.revoke(Revocation("sub", "ada", 5), NOW + 10, NOW)
    store.revoke(Revocation("family", "more", 5), NOW + 20, NOW + 10, "ada")


def test_revocations_are_limited_until_some_end(store: MemoryTokenStore) -> None:
    heard: list[Revocation] = []
    store.listen(heard.append)
    for number in (2, 1, 0):
        store.revoke(Revocation("jti", str(number), 5), NOW + 10 + number, NOW)
    with pytest.raises(StoreFull, match="no room for more than 3 revocations"):
        store.revoke(Revocation("jti", "more", 5), NOW + 20, NOW + 9.9)
    assert store.revoked_at("jti", "more") is None
    assert len(heard) == 3
    store.revoke(Revocation("jti", "more", 5), NOW + 20, NOW + 10)
    assert store.revoked_at("jti", "more") == 5
    assert store.revoked_at("jti", "0") is None
    assert store.revoked_at("jti", "2") == 5


def test_each_sort_has_room_of_its_own(store: MemoryTokenStore) -> None:
    for number in range(3):
        store.put_ticket(str(number), {}, NOW + 10, NOW)
        store.put_refresh(str(number), GRANT, NOW + 10, NOW)
        store.revoke(Revocation("sub", str(number), 5), NOW + 10, NOW)
    assert store.revoked_at("sub", "2") == 5


def test_a_revocation_is_of_one_kind(store: MemoryTokenStore) -> None:
    store.revoke(Revocation("sub", "a", 7), NOW + 10, NOW)
    assert store.revoked_at("sub", "a") == 7
    assert store.revoked_at("jti", "a") is None
    assert store.revoked_at("family", "a") is None
    assert store.revoked_at("sub", "b") is None


@pytest.mark.parametrize("ends", [(NOW + 10, NOW + 100), (NOW + 100, NOW + 10)])
def test_a_second_revocation_lasts_until_the_later_end(
    store: MemoryTokenStore, ends: tuple[float, float]
) -> None:
    for end in ends:
        store.revoke(Revocation("jti", "a", 5), end, NOW)
    store.revoke(Revocation("jti", "b", 5), NOW + 200, NOW + 50)
    assert store.revoked_at("jti", "a") == 5
    store.revoke(Revocation("jti", "c", 5), NOW + 200, NOW + 100)
    assert store.revoked_at("jti", "a") is None


@pytest.mark.parametrize("times", [(5, 9), (9, 5)])
def test_of_a_subject_that_is_revoked_twice_the_later_time_counts(
    store: MemoryTokenStore, times: tuple[int, int]
) -> None:
    for at in times:
        store.revoke(Revocation("sub", "ada", at), NOW + 10, NOW)
    assert store.revoked_at("sub", "ada") == 9


def test_the_same_thing_revoked_again_and_again_takes_one_place(store: MemoryTokenStore) -> None:
    for number in range(100):
        store.revoke(Revocation("family", "a", number), NOW + 10 + number, NOW)
    store.revoke(Revocation("family", "b", 5), NOW + 10, NOW)
    store.revoke(Revocation("family", "c", 5), NOW + 10, NOW)
    store.revoke(Revocation("family", "a", 100), NOW + 500, NOW)
    assert store.revoked_at("family", "a") == 100


def test_every_listener_hears_every_revocation(store: MemoryTokenStore) -> None:
    first: list[Revocation] = []
    second: list[Revocation] = []
    store.revoke(Revocation("sub", "before", 1), NOW + 10, NOW)
    store.listen(first.append)
    store.revoke(Revocation("jti", "a", 2), NOW + 10, NOW)
    store.listen(second.append)
    store.revoke(Revocation("jti", "a", 3), NOW + 10, NOW)
    assert first == [("jti", "a", 2), ("jti", "a", 3)]
    assert second == [("jti", "a", 3)]


def test_a_listener_finds_the_revocation_kept(store: MemoryTokenStore) -> None:
    seen: list[int | None] = []
    store.listen(lambda revocation: seen.append(store.revoked_at("sub", "ada")))
    store.revoke(Revocation("sub", "ada", 5), NOW + 10, NOW)
    assert seen == [5]


def test_a_listener_that_listens_again_meanwhile_does_no_harm(store: MemoryTokenStore) -> None:
    store.listen(lambda revocation: store.listen(lambda again: None))
    store.revoke(Revocation("sub", "ada", 5), NOW + 10, NOW)
    assert store.revoked_at("sub", "ada") == 5


KINDS: list[Kind] = ["jti", "family", "sub"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.sampled_from("ab"), st.integers(1, 9)), max_size=40
    )
)
def test_just_the_revocations_that_count_are_kept(steps: list[tuple[Kind, str, int]]) -> None:
    store = MemoryTokenStore()
    ends: dict[tuple[Kind, str], int] = {}
    for now, (kind, value, lasts) in enumerate(steps):
        store.revoke(Revocation(kind, value, now), now + lasts, now)
        ends[kind, value] = max(ends.get((kind, value), 0), now + lasts)
        live = {key for key, end in ends.items() if end > now}
        assert {key for key in ends if store.revoked_at(*key) is not None} == live
        assert len(store._revoked) == len(store._ends) == len(live)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "take"]), st.integers(0, 40)), max_size=60))
def test_tickets_and_refresh_tokens_that_ended_do_not_stay(steps: list[tuple[str, int]]) -> None:
    store = MemoryTokenStore()
    for now, (step, number) in enumerate(steps):
        if step == "put":
            store.put_ticket(f"{now}", {}, now + 5, now)
            store.put_refresh(f"{now}", GRANT, now + 5, now)
            assert len(store._tickets) <= 5
            assert len(store._refresh) <= 5
        else:
            there = number < now < number + 5 and steps[number][0] == "put"
            assert (store.find_refresh(f"{number}", now) is not None) is there
            store.take_ticket(f"{number}", now)
            assert store.take_ticket(f"{number}", now) is None
