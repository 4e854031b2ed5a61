"""Filters and their chains: the definition of a filter adds it to its chain.

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

The six chains of a node are below. Importing a module of filters adds them to the server.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..errors import FilterDefinitionError
from .registry import FilterRegistry, defined_filters
from .registry import isolated_filters as isolated_filters

Call = Callable[[Any, Any], Any]


class StopChain(Exception):
    """Raised by a filter to end its chain for this event; later filters are not called."""


class FilterMeta(type):
    """Adds a class to the chain of its base; a direct child of `FilterBase` starts a chain."""

    call_filter: Call
    """The method `filter` as a function of two arguments."""

    _chain: type[FilterBase]  # the class that starts the chain
    _home: FilterRegistry  # the registry in which it was defined

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        """Return a new class, of its `__metaclass__` if it has one, as in Python 2."""
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
    """The base of all chains and filters.

    A direct child starts a chain of its own. A child of a chain with a class method `filter` is a
    filter of that chain.
    """

    on_error: ClassVar[Literal["stop", "skip"]] = "stop"
    """The effect of an exception of this filter.

    "stop" ends the chain and closes the connection with 1011, "skip" continues with the next
    filter.
    """
    offload: ClassVar[bool] = False
    """Set it to True to run a filter that computes for a long time in a thread."""

    @classmethod
    def run(cls, web_socket_instance: Any, data: Any = None) -> Any:
        """Run this chain by hand. Exceptions of filters, except `StopChain`, are not caught.

        Args:
            web_socket_instance: The connection, passed to each filter.
            data: The data of the first filter.

        Returns:
            The last result of a filter that is not None, or `data`. Each filter gets the result
            of the one before it in the same way.
        """
        for each in cls.filters:
            try:
                result = each.call_filter(web_socket_instance, data)
            except StopChain:
                break
            if result is not None:
                data = result
        return data

    if TYPE_CHECKING:
        # Either signature may override it, with types of its own.
        filter: ClassVar[Callable[..., Any]]
    else:

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> Any:
            """Handle one event; a filter overrides this method.

            A filter may also have the older signature `filter(cls, web_socket_instance)`.

            Args:
                web_socket_instance: The connection, or the node for events without one.
                data: The data of the event; the chains below name their types. The filter may
                    change it in place.

            Returns:
                The data for the next filter; None keeps it.

            Raises:
                StopChain: A filter raises it to end the chain for this event.
                NotImplementedError: The class doesn't override this method.
            """
            raise NotImplementedError(f"{cls.__name__} is a chain, not a filter")


def _is_abstract(cls: Any) -> bool:
    """Return whether neither `cls` nor its bases override `filter`: then it is not a filter."""
    return getattr(cls.filter, "__func__", None) is FilterBase.__dict__["filter"].__func__


def _two_arguments(cls: Any) -> Call:
    """Return `cls.filter` as a function of two arguments. Raises FilterDefinitionError."""
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
    """The chain of ended connections; data: a `Closed`, the close code and the reason."""


class WebSocketConsumerFilter(FilterBase):
    """The chain of the consumer queue and Redis channels.

    web_socket_instance: the node; data: a dict.
    """


class WebSocketGapFilter(FilterBase):
    """The chain of gaps: messages to a group are missing.

    web_socket_instance: the node; data: a dict of `group` (None for all connections) and
    `reason`.
    """
