"""Entries that expire, with a limit for all and one for each owner."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.errors import StoreFull
from fws_gevent.tokens.expiring import Expiring


def test_an_entry_is_there_until_it_ends_or_is_taken() -> None:
    kept: Expiring[str] = Expiring("entries", 3, 3)
    kept.put("a", "first", "ada", 10, 0)
    assert kept.get("a", 9.9) == "first"
    assert kept.get("a", 10) is None
    assert kept.pop("a", 9) == (10, "first")
    assert kept.pop("a", 9) is None
    kept.put("b", "second", "ada", 10, 0)
    assert kept.pop("b", 10) is None
    assert len(kept) == kept.count_of("ada") == 0


def test_a_key_has_one_entry_and_one_owner() -> None:
    kept: Expiring[str] = Expiring("entries", 1, 1)
    kept.put("a", "first", "ada", 10, 0)
    kept.put("a", "second", "bob", 10, 0)
    assert kept.get("a", 0) == "second"
    assert (len(kept), kept.count_of("ada"), kept.count_of("bob")) == (1, 0, 1)


def test_the_oldest_of_all_evicts_where_that_was_agreed() -> None:
    kept: Expiring[str] = Expiring("entries", 2, 2, evicts=True)
    for number, owner in enumerate(("ada", "bob", "eve")):
        kept.put(f"{number}", owner, owner, 10, 0)
    assert [kept.get(f"{number}", 0) for number in range(3)] == [None, "bob", "eve"]
    strict: Expiring[str] = Expiring("entries", 2, 2)
    strict.put("0", "ada", "ada", 10, 0)
    strict.put("1", "bob", "bob", 10, 0)
    with pytest.raises(StoreFull, match="no room for more than 2 entries"):
        strict.put("2", "eve", "eve", 10, 0)


def test_ended_entries_of_an_owner_can_be_forgotten() -> None:
    kept: Expiring[None] = Expiring("entries", 9, 9)
    kept.put("late", None, "ada", 20, 0)
    kept.put("soon", None, "ada", 10, 0)
    kept.put("his", None, "bob", 10, 0)
    kept.forget("ada", 10)
    assert (kept.count_of("ada"), kept.count_of("bob"), len(kept)) == (1, 1, 2)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=60), st.booleans())
def test_the_bounds_hold_and_the_counts_agree(steps: list[tuple[str, int]], evicts: bool) -> None:
    kept: Expiring[str] = Expiring("entries", 5, 3, evicts=evicts)
    for now, (owner, lasts) in enumerate(steps):
        full = len(kept) == 5
        try:
            kept.put(f"{now}", owner, owner, now + lasts, now)
        except StoreFull:
            assert full
            assert not evicts
        else:
            assert kept.get(f"{now}", now) == owner
        assert len(kept) <= 5
        assert all(kept.count_of(each) <= 3 for each in "abc")
        assert sum(kept.count_of(each) for each in "abc") == len(kept)
