"""The parts of a node that its settings name: log lines, filters and a storage object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..filters.base import FilterBase
from ..logs.configuration import configure_if_silent
from ..settings import Settings
from ..storage.base import BaseStorageObject
from .filters import import_filters, with_notify_gap
from .storage import storage_of


class Parts(NamedTuple):
    """The storage object of a node, None for one in memory, and its filters."""

    storage_object: BaseStorageObject | None
    filters: Sequence[type[FilterBase]]


def parts_of(
    settings: Settings,
    storage_object: BaseStorageObject | None = None,
    filters: Sequence[type[FilterBase]] | None = None,
    *,
    modules: Sequence[str] = (),
) -> Parts:
    """Configure the log, import the filter modules, and return the parts of a node.

    Args:
        settings: The settings of the node.
        storage_object: The one that a program gives, in place of the Redis of the settings.
        filters: Those that a program gives, in place of all that are defined.
        modules: Filter modules to import where the settings name none.

    Raises:
        ConfigurationError: A filter module or a storage can't be had.
    """
    configure_if_silent(settings.log_level, settings.log_format)
    import_filters(settings.filters or modules, filters)
    storage_object = storage_of(settings, storage_object)
    return Parts(storage_object, with_notify_gap(storage_object, filters))
