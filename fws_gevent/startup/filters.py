"""Import of filter modules, and the filter that every node of several needs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ConfigurationError
from ..filters.base import FilterBase, WebSocketGapFilter
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


def import_filters(names: Iterable[str]) -> None:
    """Import modules of filters, also from the current folder. Raises ConfigurationError."""
    importable_from_here()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigurationError(f"can't import filter module {name}: {what}") from error


def with_notify_gap(
    storage_object: BaseStorageObject | None, filters: Sequence[type[FilterBase]] | None
) -> Sequence[type[FilterBase]] | None:
    """Return the filters with `notify_gap` added, if nodes share data and no filter handles gaps.

    None stands for all filters that are defined.
    """
    if storage_object is None or not storage_object.shared:
        return filters
    if filters is None:
        if not WebSocketGapFilter.filters:
            importlib.import_module("fws_gevent.filters.notify_gap")
        return None
    if any(issubclass(each, WebSocketGapFilter) for each in filters):
        return filters
    module = importlib.import_module("fws_gevent.filters.notify_gap")
    return (*filters, module.NotifyGapFilter)
