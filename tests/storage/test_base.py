"""What every storage object can do, and what makes one that processes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fws_gevent.storage.base import BasePubSubStorageObject, BaseStorageObject


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


class Loopback(OnePair, BasePubSubStorageObject):
    """The least that a shared one must be: here it talks to itself."""

    put: Callable[[dict[str, Any]], None] | None = None

    def publish(self, channel: str, data: str | bytes) -> None:
        if self.put is not None:
            self.put({"type": "message", "channel": channel, "data": data})

    def subscribe(self, channels: Sequence[str], put: Callable[[dict[str, Any]], None]) -> None:
        self.put = put

    def close(self) -> None:
        self.put = None


def test_an_item_is_what_get_gives_or_an_empty_set() -> None:
    storage = OnePair()
    storage.add("key", "value")
    assert storage["key"] == {"value"}
    assert storage["other"] == frozenset()
    assert storage.get("other") is None


def test_only_a_pubsub_storage_is_shared_by_default() -> None:
    assert OnePair().shared is False
    assert Loopback().shared is True
    assert issubclass(BasePubSubStorageObject, BaseStorageObject)


def test_a_storage_is_named_by_its_class() -> None:
    assert str(OnePair()) == "OnePair"


@pytest.mark.parametrize("missing", ["get", "add", "remove"])
def test_a_storage_that_lacks_a_method_is_none(missing: str) -> None:
    method = BaseStorageObject.__dict__[missing]
    broken = type("Broken", (OnePair,), {missing: method})
    with pytest.raises(TypeError, match=missing):
        broken()


@pytest.mark.parametrize("missing", ["publish", "subscribe", "close"])
def test_a_shared_storage_that_lacks_a_method_is_none(missing: str) -> None:
    method = BasePubSubStorageObject.__dict__[missing]
    broken = type("Broken", (Loopback,), {missing: method})
    with pytest.raises(TypeError, match=missing):
        broken()
    assert Loopback()
