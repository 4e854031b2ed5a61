"""A chain of filters, frozen for one server: what a bus calls for each event."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from .base import Call, FilterBase, StopChain

_log = logging.getLogger("fws_gevent.filters")

Offload = Callable[[Call, Any, Any], Any]
Rescue = Callable[[Any, BaseException], None]


class Chain:
    """The filters of one event in order; `receive` is the receiver that its bus calls.

    `offload(call, web_socket_instance, data)` runs a filter outside the loop, for filters that
    ask for it. `rescue(web_socket_instance, error)` deals with the event's connection when a
    filter raised and stopped the chain. `failures` and `stops` count per filter.
    """

    def __init__(
        self, filters: Sequence[type[FilterBase]], offload: Offload, rescue: Rescue
    ) -> None:
        self.filters = tuple(filters)
        self.failures: Counter[type[FilterBase]] = Counter()
        self.stops: Counter[type[FilterBase]] = Counter()
        self._rescue = rescue
        calls = [
            _offloaded(link.call_filter, offload) if link.offload else link.call_filter
            for link in self.filters
        ]
        self._calls = tuple(calls)
        self._filter_of: dict[Call, type[FilterBase]] = dict(zip(calls, self.filters, strict=True))

    def receive(self, _server: object, web_socket_instance: Any, data: Any) -> Any:
        """Run the filters on one event; returns what they left of `data`.

        What a filter raises ends here: it is logged and counted, and the chain stops unless the
        filter says `on_error = "skip"`.
        """
        for call in self._calls:
            try:
                result = call(web_socket_instance, data)
            except StopChain:
                self.stops[self._filter_of[call]] += 1
                break
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - a stray gevent.Timeout is none of Exception
                if not self._survives(self._filter_of[call], web_socket_instance, error):
                    break
            else:
                if result is not None:
                    data = result
        return data

    def _survives(self, link: type[FilterBase], instance: Any, error: BaseException) -> bool:
        """Deal with a filter that raised; whether the chain goes on."""
        self.failures[link] += 1
        name = f"{link.__module__}.{link.__qualname__}"
        _log.error("filter %s failed on %s", name, instance, exc_info=error)
        if link.on_error == "skip":
            return True
        self._rescue(instance, error)
        return False


def _offloaded(call: Call, offload: Offload) -> Call:
    return lambda web_socket_instance, data: offload(call, web_socket_instance, data)
