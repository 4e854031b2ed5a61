"""Filters and their chains: a filter joins its chain by being defined.

    class A(FilterBase):
        pass

    class B(A):
        @classmethod
        def filter(cls, web_socket_instance):
            print("foo")

    class C(A):
        @classmethod
        def filter(cls, web_socket_instance):
            print("bar")

    A.run(web_socket_instance)      # foo, bar

The six chains of a server are below. Importing a module of filters adds them to the server.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar, Literal

from ..errors import FilterDefinitionError
from .registry import FilterRegistry, defined_filters
from .registry import isolated_filters as isolated_filters

Call = Callable[[Any, Any], Any]


class StopChain(Exception):
    """Raised by a filter to end its chain for this event; no later filter sees it."""


class FilterMeta(type):
    """Lets a class join the chain of its base; a direct child of `FilterBase` starts one."""

    call_filter: Call
    """`filter` as a callable of two arguments."""

    _chain: type[FilterBase]  # the class that starts the chain
    _home: FilterRegistry  # where that was defined

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        """Return a new class, of the metaclass that Python 2 would take: its `__metaclass__`."""
        nested = namespace.get("__metaclass__")
        kind = nested if isinstance(nested, type) and issubclass(nested, mcs) else mcs
        return super().__new__(kind, name, bases, namespace)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        if not any(isinstance(base, FilterMeta) for base in bases):
            return  # FilterBase itself
        if FilterBase in bases:
            cls._chain, cls._home = cls, defined_filters()  # type: ignore[assignment]
        elif not _is_abstract(cls):
            cls.call_filter = _two_arguments(cls)
            defined_filters(cls._home).add(cls)

    @property
    def filters(cls) -> tuple[type[FilterBase], ...]:
        """The filters of this chain so far, in the order of their definition."""
        return tuple(each for each in defined_filters(cls._home) if issubclass(each, cls._chain))


class FilterBase(metaclass=FilterMeta):
    """The base of all chains.

    `on_error`: what becomes of an event and its connection when this filter raises: "stop" ends
    the chain and closes the connection with 1011, "skip" goes on with the next filter.
    `offload`: run this filter in gevent's thread pool, for one that computes for long.
    """

    on_error: ClassVar[Literal["stop", "skip"]] = "stop"
    offload: ClassVar[bool] = False

    @classmethod
    def run(cls, web_socket_instance: Any, data: Any = None) -> Any:
        """Run this chain by hand; what a filter raises is raised.

        Each filter gets what the one before it returned, or the same `data` if that was None.
        Returns what the last one left.
        """
        for link in cls.filters:
            try:
                result = link.call_filter(web_socket_instance, data)
            except StopChain:
                break
            if result is not None:
                data = result
        return data

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> Any:
        """Look at one event; may change `data` in place or return what the next filter gets.

        The older form `filter(cls, web_socket_instance)` works too.
        """
        raise NotImplementedError(f"{cls.__name__} is a chain, not a filter")


def _is_abstract(cls: Any) -> bool:
    """Whether `cls` has no `filter` of its own or its bases': a base for filters, none itself."""
    return getattr(cls.filter, "__func__", None) is FilterBase.__dict__["filter"].__func__


def _two_arguments(cls: Any) -> Call:
    """`cls.filter` as a callable of two arguments; its signature is looked at once, here."""
    name = f"{cls.__module__}.{cls.__qualname__}.filter"
    function = cls.filter
    if isinstance(function, FunctionType) and isinstance(
        inspect.getattr_static(cls, "filter"), FunctionType
    ):
        raise FilterDefinitionError(f"{name} is not a classmethod: put @classmethod above it")
    if inspect.iscoroutinefunction(function):
        raise FilterDefinitionError(f"{name} is async: filters are plain functions, and may block")
    signature = inspect.signature(function)
    if _takes(signature, 2):
        return function  # type: ignore[no-any-return]
    if _takes(signature, 1):
        return lambda web_socket_instance, _data: function(web_socket_instance)
    raise FilterDefinitionError(
        f"{name}{signature} can't be called with (web_socket_instance, data)"
    )


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


class WebSocketConnectFilter(FilterBase):
    """The chain of new connections; data: the WSGI environ of the upgrade request."""


class WebSocketDataFilter(FilterBase):
    """The chain of raw data; data: the bytes from the wire, before they are decoded."""


class WebSocketMessageFilter(FilterBase):
    """The chain of messages; data: a `Message`."""


class WebSocketDisconnectFilter(FilterBase):
    """The chain of ended connections; data: the close code and the reason."""


class WebSocketConsumerFilter(FilterBase):
    """The chain of what comes from outside; web_socket_instance: the server; data: a dict."""


class WebSocketGapFilter(FilterBase):
    """The chain of gaps: messages to a group are missing, for Redis has lost them.

    web_socket_instance: the server; data: a dict of `group` (None for everybody) and `reason`.
    """
