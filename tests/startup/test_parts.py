"""The parts of a node come from its settings, unless a program gives others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.settings import Settings
from fws_gevent.startup.parts import parts_of
from fws_gevent.storage.memory import MemoryStorageObject
from fws_gevent.storage.redis import RedisStorageObject

STDOUT = "fws_gevent.filters.stdout_messages"
BROADCAST = "fws_gevent.filters.broadcast_message_filter"


def names(settings: Settings, *modules: str) -> list[str]:
    """Return the filters of a node with these settings."""
    return [each.__module__ for each in parts_of(settings, modules=modules).filters]


def test_filters_are_those_of_the_settings_or_else_the_default_ones() -> None:
    assert names(Settings(filters=(STDOUT,)), BROADCAST) == [STDOUT]


def test_default_filters_are_imported_where_the_settings_name_none() -> None:
    assert names(Settings(), BROADCAST, STDOUT) == [BROADCAST, STDOUT]


def test_parts_that_a_program_gives_replace_those_of_the_settings() -> None:
    class Mine(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            pass

    storage = MemoryStorageObject()
    assert parts_of(Settings(redis_host="localhost"), storage, [Mine]) == (storage, [Mine])


def test_redis_of_the_settings_brings_its_storage_and_a_filter_of_gaps() -> None:
    storage, filters = parts_of(Settings(redis_host="localhost"), filters=[])
    assert isinstance(storage, RedisStorageObject)
    assert [each.__name__ for each in filters] == ["NotifyGapFilter"]


def test_a_part_that_can_not_be_had_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ConfigurationError, match="can't import filter module no_such_filters"):
        parts_of(Settings(filters=("no_such_filters",)))
