"""A server gets the storage object of its program, or that of its settings."""

from __future__ import annotations

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings
from fws_gevent.startup.storage import storage_of
from fws_gevent.storage.memory import MemoryStorageObject


def test_the_storage_is_the_one_given_or_the_redis_of_the_settings() -> None:
    assert storage_of(Settings(), None) is None
    given = MemoryStorageObject()
    assert storage_of(Settings(redis_host="localhost"), given) is given
    by_url = storage_of(Settings(redis_url="redis://:secret@localhost/1", redis_key="mine"), None)
    assert str(by_url) == "Redis at localhost:6379, keys mine:…"
    by_host = storage_of(Settings(redis_host="localhost", redis_port=7), None)
    assert str(by_host) == "Redis at localhost:7, keys fws:…"


def test_a_wrong_url_of_redis_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigurationError, match="redis://") as told:
        storage_of(Settings(redis_url="http://:secret@localhost"), None)
    assert "secret" not in str(told.value)
