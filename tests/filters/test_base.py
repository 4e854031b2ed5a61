"""The definition of a filter adds it to its chain, which runs its filters in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fws_gevent.errors import FilterDefinitionError
from fws_gevent.filters import base
from fws_gevent.filters.base import FilterBase, FilterMeta, StopChain


def chain() -> Any:
    """Return a chain of this test."""

    class A(FilterBase):
        pass

    return A


def link(of: Any, function: Callable[..., Any], name: str = "Link") -> Any:
    """Define a filter of the chain `of`, with `function` as its `filter`."""
    return type(of)(name, (of,), {"filter": classmethod(function)})


def test_the_example_of_the_documentation_prints_foo_and_bar(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class A(FilterBase):
        pass

    class B(A):
        @classmethod
        def filter(cls, web_socket_instance: Any) -> None:
            print("foo")

    class C(A):
        @classmethod
        def filter(cls, web_socket_instance: Any) -> None:
            print("bar")

    A.run(object())
    assert capsys.readouterr().out == "foo\nbar\n"


def test_a_class_with_a_metaclass_of_its_own_starts_a_chain_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class AMeta(FilterMeta):
        pass

    class A(FilterBase, metaclass=AMeta):
        pass

    class B(A):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            print("foo")

    assert type(B) is AMeta
    assert A.filters == (B,)
    A.run(object())
    assert capsys.readouterr().out == "foo\n"


@pytest.mark.parametrize(
    "function",
    [
        lambda cls, web_socket_instance, data: [web_socket_instance, data],
        lambda cls, web_socket_instance, data=None: [web_socket_instance, data],
        lambda cls, *arguments: list(arguments),
        lambda cls, one, two, three=3, *, four=4: [one, two],
        lambda *arguments: list(arguments[1:]),
    ],
)
def test_a_filter_of_two_arguments_gets_connection_and_data(function: Callable[..., Any]) -> None:
    a = chain()
    link(a, function)
    assert a.run("ws", "data") == ["ws", "data"]


@pytest.mark.parametrize(
    "function",
    [
        lambda cls, web_socket_instance: [web_socket_instance],
        lambda cls, web_socket_instance, *, data=None: [web_socket_instance],
    ],
)
def test_a_filter_of_the_older_form_gets_the_connection(function: Callable[..., Any]) -> None:
    a = chain()
    link(a, function)
    assert a.run("ws", "data") == ["ws"]


def test_the_class_is_the_filter_and_not_its_chain() -> None:
    a = chain()
    b = link(a, lambda cls, web_socket_instance, data: cls)
    assert a.run("ws") is b


def test_a_static_method_is_a_filter_too() -> None:
    a = chain()

    class B(a):  # type: ignore[valid-type,misc]
        @staticmethod
        def filter(web_socket_instance: Any, data: Any) -> Any:
            return [web_socket_instance, data]

    assert a.run("ws", "data") == ["ws", "data"]


def test_filters_run_in_the_order_of_their_definition_however_they_are_called() -> None:
    a = chain()
    links = [link(a, lambda cls, ws, data, name=name: data.append(name), name) for name in "zebra"]
    seen: list[str] = []
    a.run("ws", seen)
    assert seen == list("zebra")
    assert a.filters == tuple(links)


def test_chains_do_not_share_filters() -> None:
    one, other = chain(), chain()
    b = link(one, lambda cls, ws, data: None)
    assert one.filters == (b,)
    assert other.filters == ()
    assert other.run("ws", "data") == "data"


def test_a_grandchild_joins_the_chain_of_its_grandparent() -> None:
    a = chain()
    b = link(a, lambda cls, ws, data: data.append("b"))

    class C(b):  # type: ignore[valid-type,misc]
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            super().filter(web_socket_instance, data)
            data.append("c")

    class D(C):
        """Inherits its filter and joins for itself."""

    seen: list[str] = []
    a.run("ws", seen)
    assert a.filters == (b, C, D)
    assert b.filters == a.filters
    assert seen == ["b", "b", "c", "b", "c"]


def test_a_base_without_a_filter_does_not_join_and_its_children_do() -> None:
    a = chain()

    class Helper(a):  # type: ignore[valid-type,misc]
        word = "none"

        @classmethod
        def say(cls, data: Any) -> None:
            data.append(cls.word)

    b = type(a)("B", (Helper,), {"word": "b", "filter": classmethod(lambda cls, ws, d: cls.say(d))})
    seen: list[str] = []
    a.run("ws", seen)
    assert a.filters == (b,)
    assert seen == ["b"]


def test_a_mixin_may_bring_the_filter() -> None:
    class Mixin:
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> str:
            return "mixed"

    a = chain()
    type(a)("B", (Mixin, a), {})
    assert a.run("ws") == "mixed"


def test_a_result_is_passed_on_and_none_keeps_the_data() -> None:
    a = chain()
    for function in (
        lambda cls, ws, data: data + "b",
        lambda cls, ws, data: None,
        lambda cls, ws: None,
        lambda cls, ws, data: data + "c",
    ):
        link(a, function)
    assert a.run("ws", "a") == "abc"


@pytest.mark.parametrize("value", ["", 0, False, []])
def test_an_empty_result_is_passed_on(value: object) -> None:
    a = chain()
    link(a, lambda cls, ws, data: value)
    assert a.run("ws", "data") == value


def test_stop_chain_ends_the_chain_and_keeps_the_data() -> None:
    def stop(cls: Any, web_socket_instance: Any, data: Any) -> None:
        raise StopChain

    a = chain()
    link(a, lambda cls, ws, data: data + "b")
    link(a, stop)
    link(a, lambda cls, ws, data: data + "c")
    assert a.run("ws", "a") == "ab"
    assert a.run("ws", "x") == "xb"


def test_run_raises_the_exceptions_of_filters() -> None:
    def fail(cls: Any, web_socket_instance: Any) -> None:
        raise LookupError("filter's own")

    a = chain()
    link(a, fail)
    with pytest.raises(LookupError, match="filter's own"):
        a.run("ws")


async def asynchronous(cls: Any, web_socket_instance: Any, data: Any) -> None: ...


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        pytest.param(lambda cls, ws, data: None, "@classmethod", id="no classmethod"),
        pytest.param(lambda cls, ws: None, "@classmethod", id="no classmethod, older form"),
        pytest.param(classmethod(asynchronous), "async", id="coroutine"),
        pytest.param(classmethod(lambda cls: None), "filter()", id="no argument"),
        pytest.param(classmethod(lambda cls, a, b, c: None), "(a, b, c)", id="three arguments"),
        pytest.param(classmethod(lambda cls, a, *, b: None), "(a, *, b)", id="keyword alone"),
        pytest.param(staticmethod(lambda: None), "filter()", id="static, no argument"),
    ],
)
def test_a_filter_with_a_wrong_signature_is_refused_by_name(definition: Any, says: str) -> None:
    a = chain()
    with pytest.raises(FilterDefinitionError) as caught:
        type(a)("Wrong", (a,), {"filter": definition, "__module__": "its.module"})
    assert says in str(caught.value)
    assert "its.module.Wrong" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert a.filters == ()


def test_a_chain_itself_filters_nothing() -> None:
    with pytest.raises(NotImplementedError, match="A is a chain"):
        chain().filter("ws", "data")


@pytest.mark.parametrize("event", ["Connect", "Data", "Message", "Disconnect", "Consumer"])
def test_there_is_a_chain_for_each_event(event: str) -> None:
    known = getattr(base, f"WebSocket{event}Filter")
    assert FilterBase in known.__bases__
    assert known.__doc__
    assert known.on_error == "stop"
    assert known.offload is False


def test_the_tuple_of_filters_does_not_change_when_another_joins() -> None:
    a = chain()
    before = a.filters
    link(a, lambda cls, ws: None)
    assert before == ()
    assert len(a.filters) == 1
