"""The contract of storage objects."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent.storage.base import BaseStorageObject


class OnePair(BaseStorageObject):
    """The least that a storage object must be: here it holds one pair."""

    pair: tuple[Any, Any] | None = None

    def get(self, key: Any) -> set[Any] | None:
        return {self.pair[1]} if self.pair and self.pair[0] == key else None

    def add(self, key: Any, value: Any) -> None:
        self.pair = key, value

    def remove(self, key: Any, value: Any) -> None:
        if self.pair == (key, value):
            self.pair = None


def test_an_item_is_the_result_of_get_or_an_empty_set() -> None:
    storage = OnePair()
    storage.add("key", "value")
    assert storage["key"] == {"value"}
    assert storage["other"] == frozenset()
    assert storage.get("other") is None


def test_a_storage_is_this_process_alone_unless_it_says_otherwise() -> None:
    storage = OnePair()
    assert storage.shared is False
    assert storage.healthy is True


def test_a_storage_is_named_by_its_class() -> None:
    assert str(OnePair()) == "OnePair"


@pytest.mark.parametrize("missing", ["get", "add", "remove"])
def test_a_storage_that_lacks_a_method_is_none(missing: str) -> None:
    method = BaseStorageObject.__dict__[missing]
    broken = type("Broken", (OnePair,), {missing: method})
    with pytest.raises(TypeError, match=missing):
        broken()
