"""The storage object that keeps its sets in memory."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.storage.base import BaseStorageObject
from fws_gevent.storage.memory import MemoryStorageObject

KEYS, VALUES = st.sampled_from("abc"), st.integers(0, 3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), KEYS, VALUES), max_size=30))
def test_it_holds_the_values_that_were_added_and_not_removed(
    steps: list[tuple[bool, str, int]],
) -> None:
    storage = MemoryStorageObject()
    model: defaultdict[str, set[int]] = defaultdict(set)
    for adds, key, value in steps:
        if adds:
            storage.add(key, value)
            model[key].add(value)
        else:
            storage.remove(key, value)
            model[key].discard(value)
        for each in "abc":
            assert storage.get(each) == (model[each] or None)
            assert storage[each] == model[each]


def test_a_missing_key_is_none_or_an_empty_set_and_may_be_removed() -> None:
    storage = MemoryStorageObject()
    storage.remove("key", "value")
    assert storage.get("key") is None
    assert storage["key"] == set()
    storage.add("key", "value")
    storage.remove("key", "other")
    assert storage["key"] == {"value"}


def test_looking_up_adds_no_key_and_an_emptied_one_goes() -> None:
    storage = MemoryStorageObject()
    _ = storage["key"]
    storage.add("key", "value")
    before = storage.get("key")
    storage.remove("key", "value")
    storage.add("key", "value")
    assert storage.get("key") == {"value"}
    assert storage.get("key") is not before


def test_the_set_is_live() -> None:
    storage = MemoryStorageObject()
    storage.add("key", 1)
    values = storage["key"]
    storage.add("key", 2)
    assert values == {1, 2}


def test_two_storages_share_nothing_and_other_processes_see_none() -> None:
    one, other = MemoryStorageObject(), MemoryStorageObject()
    one.add("key", "value")
    assert other.get("key") is None
    assert isinstance(one, BaseStorageObject)
    assert one.shared is False


def test_it_is_named_as_memory_for_the_start_up_lines() -> None:
    assert "memory" in str(MemoryStorageObject())
