"""The filters of one test, or of one application, are kept apart from all others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import gevent
import pytest
from gevent import get_hub

from fws_gevent.errors import FilterDefinitionError
from fws_gevent.extension import FilteredWebSocket
from fws_gevent.filters import broadcast_message_filter, broadcast_messages, rate_limit
from fws_gevent.filters.base import FilterBase, WebSocketMessageFilter, isolated_filters
from fws_gevent.filters.broadcast_message_filter import BroadcastMessageFilter
from fws_gevent.filters.rate_limit import RateLimitFilter
from fws_gevent.filters.registry import defined_filters

from ..conftest import Connect, Serve
from ..flask_sites import Make, flask_app, serving

run = pytest.fixture(serving)


def link(base: Any = WebSocketMessageFilter, answer: object = None) -> Any:
    """Define a filter that returns `answer`."""
    return type(base)("Link", (base,), {"filter": classmethod(lambda cls, ws, data: answer)})


def answer(word: str) -> None:
    """Define a filter that answers each message with a word."""

    class Answer(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send(word)


def names() -> list[str]:
    return [each.__name__ for each in WebSocketMessageFilter.filters]


def chain() -> tuple[Any, ...]:
    return WebSocketMessageFilter.filters


def test_a_block_begins_without_filters_and_its_own_are_gone_after_it() -> None:
    before = link()
    with isolated_filters() as filters:
        assert chain() == ()
        inside = link()
        assert chain() == (inside,)
        assert list(filters) == [inside]
        assert WebSocketMessageFilter.run("ws", "data") == "data"
    assert chain() == (before,)
    assert list(filters) == [inside]


def test_an_exception_ends_a_block_as_well() -> None:
    before = link()

    def fail() -> None:
        with isolated_filters():
            link()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert chain() == (before,)


def test_blocks_may_be_nested() -> None:
    with isolated_filters():
        outer = link()
        with isolated_filters(outer):
            inner = link()
            assert chain() == (outer, inner)
        assert chain() == (outer,)


def test_a_function_may_be_isolated_as_a_whole() -> None:
    @isolated_filters(RateLimitFilter)
    def seen() -> list[str]:
        link()
        return names()

    assert seen() == seen() == ["RateLimitFilter", "Link"]


def test_a_block_begins_with_the_filters_and_modules_that_are_named_in_their_order() -> None:
    mine = link()
    with isolated_filters(rate_limit, mine, broadcast_message_filter, mine):
        expected = (RateLimitFilter, mine, BroadcastMessageFilter)
        assert chain() == expected


def test_a_module_that_imports_its_filters_has_them() -> None:
    with isolated_filters(broadcast_messages):
        assert chain() == (BroadcastMessageFilter,)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (sys, "module sys has no filters"),
        (WebSocketMessageFilter, "<class 'fws_gevent.filters.base.WebSocketMessageFilter'>"),
        (str, "<class 'str'> has no filters"),
        ("fws_gevent.filters.rate_limit", "'fws_gevent.filters.rate_limit' has no filters"),
    ],
)
def test_what_has_no_filter_is_refused(wrong: Any, says: str) -> None:
    before = defined_filters()
    with pytest.raises(FilterDefinitionError) as caught, isolated_filters(wrong):
        raise AssertionError("it began")
    assert says in str(caught.value)
    assert defined_filters() is before


def test_a_chain_that_is_defined_in_a_block_keeps_its_filters() -> None:
    with isolated_filters():

        class A(FilterBase):
            """A chain of this block."""

        first = link(A)
    second = link(A)
    with isolated_filters():
        third = link(A)
        assert A.filters == (first, second, third)
    assert A.filters == (first, second, third)
    assert list(defined_filters()) == []


def test_a_server_has_the_filters_of_the_block_that_it_was_built_in(
    serve: Serve, connect: Connect
) -> None:
    servers = []
    for word in ("shop", "office"):
        with isolated_filters():
            answer(word)
            servers.append(serve(None))
    for word, server in zip(("shop", "office"), servers, strict=True):
        client = connect(server)
        client.send("hello")
        assert client.receive() == word
    assert names() == []


def in_native_thread(function: Callable[[], Any]) -> Any:
    return get_hub().threadpool.apply(function)


def test_threads_and_greenlets_do_not_see_each_others_blocks() -> None:
    with isolated_filters():
        link()
        elsewhere = in_native_thread(defined_filters)
        assert elsewhere is not defined_filters()
        assert gevent.spawn(defined_filters).get() is elsewhere

        def isolated() -> list[str]:
            with isolated_filters(RateLimitFilter):
                gevent.sleep(0)
                return names()

        with ThreadPoolExecutor(2) as pool:
            found = [pool.submit(isolated) for _ in range(8)]
            assert [each.result() for each in found] == [["RateLimitFilter"]] * 8
        assert names() == ["Link"]
    assert in_native_thread(defined_filters) is elsewhere


def test_a_filter_joins_once() -> None:
    here = link()
    defined_filters().add(here, here)
    assert chain() == (here,)
    assert defined_filters()[0] is here
    assert len(defined_filters()) == 1


def test_a_module_is_read_as_it_is_imported() -> None:
    module = ModuleType("somebody")
    first, second = link(), link()
    vars(module).update(second=second, first=first, again=second)
    with isolated_filters(module) as filters:
        assert list(filters) == [second, first]


def test_two_applications_of_a_process_have_filters_of_their_own(
    run: Make, connect: Connect
) -> None:
    apps = []
    for word in ("shop", "office"):
        with isolated_filters():
            answer(word)
            apps.append(flask_app())
            FilteredWebSocket(apps[-1])
    for word, app in zip(("shop", "office"), apps, strict=True):
        client = connect(run(app), "/ws")
        client.send("hello")
        assert client.receive() == word


def test_filters_that_are_defined_after_the_application_was_made_count(
    run: Make, connect: Connect
) -> None:
    app = flask_app()
    FilteredWebSocket(app)
    answer("later")
    client = connect(run(app), "/ws")
    client.send("hello")
    assert client.receive() == "later"
