"""Import of filter modules, and the filter that every node of several needs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ConfigurationError, FilterDefinitionError
from ..filters.base import FilterBase, WebSocketGapFilter
from ..filters.registry import FilterRegistry, defined_filters, filters_in
from ..storage.base import BaseStorageObject

DEFAULT_FILTERS = (
    "fws_gevent.filters.broadcast_message_filter",
    "fws_gevent.filters.stdout_messages",
)
"""The filter modules of the command where no others are named."""


def importable_from_here() -> None:
    """Add the current folder to `sys.path`, as `python -m` does."""
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)


def import_filters(names: Iterable[str], filters: Sequence[type[FilterBase]] | None = None) -> None:
    """Import modules of filters, also from the current folder. Raises ConfigurationError.

    Their filters join `filters` if that is a registry, else the present one. So do those of a
    module that was imported before.
    """
    importable_from_here()
    registry = filters if isinstance(filters, FilterRegistry) else defined_filters()
    with registry.in_use():
        for name in names:
            registry.add(*_imported(name))


def _imported(name: str) -> tuple[type[FilterBase], ...]:
    """Import a module and return the filters in it. Raises ConfigurationError."""
    try:
        module = importlib.import_module(name)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigurationError(f"can't import filter module {name}: {what}") from error
    try:
        return filters_in(module)
    except FilterDefinitionError:  # a package, whose modules have the filters
        return ()


def with_notify_gap(
    storage_object: BaseStorageObject | None, filters: Sequence[type[FilterBase]] | None
) -> Sequence[type[FilterBase]]:
    """Return the filters with `notify_gap` added, if nodes share data and no filter handles gaps.

    None stands for all filters that are defined.
    """
    if filters is None:
        filters = defined_filters()
    if storage_object is None or not storage_object.shared:
        return filters
    if any(issubclass(each, WebSocketGapFilter) for each in filters):
        return filters
    added = filters_in(importlib.import_module("fws_gevent.filters.notify_gap"))
    if isinstance(filters, FilterRegistry):
        filters.add(*added)
        return filters
    return (*filters, *added)
