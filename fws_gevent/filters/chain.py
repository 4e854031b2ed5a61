"""A chain of filters, frozen for one node: a bus calls it for each event."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from ..clock import SYSTEM_CLOCK
from ..errors import GroupNameInvalid, GroupRefused, StorageAway, TextNotUTF8, UnfitResult
from ..logs.loggers import Repeats, get_logger
from ..message import Message
from .base import Call, FilterBase, StopChain
from .results import Fit, any_value, checked

_log = get_logger("filters")

Offload = Callable[[Call, Any, Any], Any]
Rescue = Callable[[Any, BaseException], None]
Samples = deque[float]

SAMPLED = 64
"""The times of filters are measured for one of so many events."""

_MASK = SAMPLED - 1  # it is a power of two

KEPT = 256
"""Measured times that are kept of each filter."""


class Chain:
    """The filters of one event, in order; `receive` is subscribed to its bus.

    `offload(call, web_socket_instance, data)` runs a filter in a thread if it asks for that.
    `rescue(web_socket_instance, error)` handles the connection after a filter has raised and
    stopped the chain. `fit(result, data)` checks the result of a filter. `failures` and `stops`
    count by filter, and `runs` counts the events; `samples` has the last measured times of each
    filter, in seconds.
    """

    def __init__(
        self,
        filters: Sequence[type[FilterBase]],
        offload: Offload,
        rescue: Rescue,
        fit: Fit = any_value,
    ) -> None:
        self.filters = tuple(filters)
        self.failures: Counter[type[FilterBase]] = Counter()
        self.stops: Counter[type[FilterBase]] = Counter()
        self.runs = 0
        self.forked = False
        """True for the copy in a forked child, in which exceptions are not caught."""
        self.samples: dict[type[FilterBase], Samples] = {
            each: deque(maxlen=KEPT) for each in self.filters
        }
        self._ended: Counter[type[FilterBase]] = Counter()
        self._rescue = rescue
        self._repeats = Repeats(_log)
        self._fit = fit
        self._calls = tuple(
            _offloaded(each.call_filter, offload) if each.offload else each.call_filter
            for each in self.filters
        )
        samples = (self.samples[each] for each in self.filters)
        self._timed = tuple(map(_timed, self._calls, samples))
        self._filter_of: dict[Call, type[FilterBase]] = {
            **dict(zip(self._calls, self.filters, strict=True)),
            **dict(zip(self._timed, self.filters, strict=True)),
        }

    def receive(self, _server: object, web_socket_instance: Any, data: Any) -> Any:
        """Run the filters on one event; return the data after the last one.

        Exceptions of filters are logged and counted here. The chain stops then, unless the filter
        has `on_error = "skip"`.
        """
        runs = self.runs
        self.runs = runs + 1
        for call in self._calls if runs & _MASK else self._timed:
            try:
                result = call(web_socket_instance, data)
                if result is not None:
                    data = self._fit(result, data)
                elif type(data) is Message:  # a change in place has made it one
                    checked(data)
            except StopChain:
                self._stop(self._filter_of[call])
                break
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - gevent.Timeout is not an Exception
                if not self._survives(self._filter_of[call], web_socket_instance, error):
                    break
        return data

    def calls_of(self, each: type[FilterBase]) -> int:
        """Return the number of events that reached a filter: all but those that ended before it."""
        before = self.filters[: self.filters.index(each)]
        return self.runs - sum(self._ended[earlier] for earlier in before)

    def filter_of(self, call: Call) -> type[FilterBase]:
        """Return the filter of a call that `receive` makes."""
        return self._filter_of[call]

    def _stop(self, each: type[FilterBase]) -> None:
        self.stops[each] += 1
        self._ended[each] += 1

    def _survives(self, each: type[FilterBase], instance: Any, error: BaseException) -> bool:
        """Handle the exception of a filter; return whether the chain continues."""
        if self.forked:
            raise error
        if isinstance(error, GroupRefused | GroupNameInvalid):
            self._stop(each)
            self._rescue(instance, error)
            return False
        self.failures[each] += 1
        name = f"{each.__module__}.{each.__qualname__}"
        if isinstance(error, StorageAway):
            # The monitor of the storage has logged it once; here it would be once for each message.
            _log.debug("filter %s on %s: %s", name, instance, error)
        elif not self._repeats.due(each):
            _log.debug("filter %s failed again on %s: %s", name, instance, error)
        elif isinstance(error, TextNotUTF8 | UnfitResult):
            _log.error("filter %s failed on %s: %s", name, instance, error)
        else:
            _log.error("filter %s failed on %s", name, instance, exc_info=error)
        if each.on_error == "skip":
            return True
        self._ended[each] += 1
        self._rescue(instance, error)
        return False


def _offloaded(call: Call, offload: Offload) -> Call:
    return lambda web_socket_instance, data: offload(call, web_socket_instance, data)


def _timed(call: Call, samples: Samples) -> Call:
    seconds = SYSTEM_CLOCK.monotonic  # real seconds, also where the node has another clock

    def timed(web_socket_instance: Any, data: Any) -> Any:
        start = seconds()
        try:
            return call(web_socket_instance, data)
        finally:
            samples.append(seconds() - start)

    return timed
