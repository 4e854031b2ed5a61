"""The registry of filters, and how the filters of one test or application are kept apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from ..errors import FilterDefinitionError


class FilterRegistry(Sequence[type[Any]]):
    """Filter classes in the order of their definition.

    It is a live view: filters that are defined later appear in it. `outer` are the registries
    that were in use where this one was begun, the nearest first.
    """

    def __init__(self, outer: tuple[FilterRegistry, ...] = ()) -> None:
        self._filters: list[type[Any]] = []
        self.lineage = (self, *outer)

    def __getitem__(self, index: Any) -> Any:
        return self._filters[index]

    def __len__(self) -> int:
        return len(self._filters)

    def add(self, *filters: type[Any]) -> None:
        """Add filters at the end. Filters that are in it already keep their place."""
        for each in filters:
            if each not in self._filters:
                self._filters.append(each)

    @contextmanager
    def in_use(self) -> Iterator[FilterRegistry]:
        """Have the filters that are defined in the block join this registry."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)


_PROCESS = FilterRegistry()
"""The registry of all code outside of `isolated_filters`."""

_current: ContextVar[FilterRegistry] = ContextVar("fws_filters", default=_PROCESS)


def defined_filters(home: FilterRegistry = _PROCESS) -> FilterRegistry:
    """Return the registry that a filter joins here, if its chain was defined under `home`.

    It is the present one, unless the chain is unknown there: a chain that was defined in an
    isolated registry keeps its filters in that one.
    """
    here = _current.get()
    return here if home in here.lineage else home


@contextmanager
def isolated_filters(*first: ModuleType | type[Any]) -> Iterator[FilterRegistry]:
    """Keep the filters of one test, or of one application, apart from all others.

    Filters that are defined or imported in the block join a registry of its own, which is
    yielded: a live sequence of filter classes. Servers that are built in the block have these
    filters only, also after its end. Blocks may be nested. The block holds for its own thread and
    greenlet: those that it begins have the filters of the process.

    Args:
        first: Filters to begin with, or modules that define or import them. A module that was
            imported before the block doesn't run again, so its filters have to be named here.

    Yields:
        The filters of the block: a live sequence.

    Raises:
        FilterDefinitionError: An argument is neither a filter nor a module with filters.
    """
    inner = FilterRegistry(_current.get().lineage)
    for each in first:
        inner.add(*filters_in(each))
    with inner.in_use():
        yield inner


def filters_in(source: ModuleType | type[Any]) -> tuple[type[Any], ...]:
    """Return the filters that a module defines or imports, in this order, or a filter itself.

    Raises:
        FilterDefinitionError: There are none.
    """
    candidates = vars(source).values() if isinstance(source, ModuleType) else (source,)
    found = dict.fromkeys(each for each in candidates if _is_filter(each))
    if not found:
        name = f"module {source.__name__}" if isinstance(source, ModuleType) else repr(source)
        raise FilterDefinitionError(f"{name} has no filters")
    return tuple(found)


def _is_filter(each: object) -> bool:
    return isinstance(each, type) and "call_filter" in vars(each)
