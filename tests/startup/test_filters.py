"""Filter modules are imported, and nodes that share data get a filter of gaps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.filters.base import WebSocketGapFilter, WebSocketMessageFilter, isolated_filters
from fws_gevent.settings import Settings
from fws_gevent.startup.filters import import_filters, importable_from_here, with_notify_gap
from fws_gevent.startup.storage import storage_of
from fws_gevent.storage.memory import MemoryStorageObject


@pytest.fixture
def _path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Change to a folder from which no modules are imported yet."""
    known = set(sys.modules)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", ".")])
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.usefixtures("_path")
def test_filters_of_the_current_folder_are_found_and_join_in_order(tmp_path: Path) -> None:
    source = """\
from fws_gevent.filters.base import WebSocketMessageFilter
class {}(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance): pass
"""
    for name in ("First", "Second"):
        (tmp_path / f"a_{name.lower()}.py").write_text(source.format(name))
    import_filters(["a_second", "a_first", "a_second"])
    assert [each.__name__ for each in WebSocketMessageFilter.filters] == ["Second", "First"]


@pytest.mark.usefixtures("_path")
def test_the_current_folder_is_added_once(tmp_path: Path) -> None:
    importable_from_here()
    importable_from_here()
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "ModuleNotFoundError: No module named 'a_module'"),
        ("1 +", "SyntaxError: "),
        ("raise RuntimeError('first\\n second')", "RuntimeError: first second"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_a_filter_module_that_can_not_be_imported_is_told_in_one_line(
    source: str | None, says: str, tmp_path: Path
) -> None:
    if source is not None:
        (tmp_path / "a_module.py").write_text(source)
    with pytest.raises(ConfigurationError) as told:
        import_filters(["a_module"])
    assert str(told.value).startswith("can't import filter module a_module: ")
    assert says in str(told.value)
    assert "\n" not in str(told.value)
    assert told.value.__cause__ is not None


def test_where_there_are_other_nodes_a_filter_tells_of_gaps() -> None:
    class Message(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            pass

    class Gap(WebSocketGapFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            pass

    shared = storage_of(Settings(redis_host="localhost"), None)
    told = with_notify_gap(shared, [Message])
    assert [each.__name__ for each in told] == ["Message", "NotifyGapFilter"]
    assert with_notify_gap(shared, [Message, Gap]) == [Message, Gap]
    assert with_notify_gap(MemoryStorageObject(), [Message]) == [Message]
    with isolated_filters(Message) as filters:
        assert list(with_notify_gap(None, None)) == [Message]
        assert with_notify_gap(shared, None) is filters
        assert [each.__name__ for each in filters] == ["Message", "NotifyGapFilter"]
        assert list(with_notify_gap(shared, None)) == list(filters)


def test_the_filters_of_a_module_that_was_imported_before_join_too() -> None:
    import_filters(["fws_gevent.filters.rate_limit", "fws_gevent.filters"])
    assert [each.__name__ for each in WebSocketMessageFilter.filters] == ["RateLimitFilter"]
    with isolated_filters() as filters:
        pass
    import_filters(["fws_gevent.filters.rate_limit"], filters)
    assert [each.__name__ for each in filters] == ["RateLimitFilter"]


@pytest.mark.usefixtures("_path")
def test_filters_join_the_registry_that_is_given(tmp_path: Path) -> None:
    source = """\
from fws_gevent.filters.base import WebSocketMessageFilter
class Own(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance): pass
"""
    (tmp_path / "a_third.py").write_text(source)
    with isolated_filters() as filters:
        pass
    import_filters(["a_third"], filters)
    assert [each.__name__ for each in filters] == ["Own"]
    assert WebSocketMessageFilter.filters == ()
