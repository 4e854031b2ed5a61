"""A chain of filters, frozen for one server: what a bus calls for each event."""

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
"""One event in so many has the time measured that each filter takes."""

_MASK = SAMPLED - 1  # it is a power of two

KEPT = 256
"""Measured times that are kept for each filter."""


class Chain:
    """The filters of one event in order; `receive` is the receiver that its bus calls.

    `offload(call, web_socket_instance, data)` runs a filter outside the loop, for filters that
    ask for it. `rescue(web_socket_instance, error)` deals with the event's connection when a
    filter raised and stopped the chain. `fit(result, data)` checks what a filter returns.
    `failures` and `stops` count per filter, `runs` the events; `samples` has the latest measured
    times per filter, in seconds.
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
        """Whether this is the copy in a forked child, which ends with what is raised."""
        self.samples: dict[type[FilterBase], Samples] = {
            link: deque(maxlen=KEPT) for link in self.filters
        }
        self._ended: Counter[type[FilterBase]] = Counter()
        self._rescue = rescue
        self._told = Repeats(_log)
        self._fit = fit
        self._calls = tuple(
            _offloaded(link.call_filter, offload) if link.offload else link.call_filter
            for link in self.filters
        )
        samples = (self.samples[link] for link in self.filters)
        self._timed = tuple(map(_timed, self._calls, samples))
        self._filter_of: dict[Call, type[FilterBase]] = {
            **dict(zip(self._calls, self.filters, strict=True)),
            **dict(zip(self._timed, self.filters, strict=True)),
        }

    def receive(self, _server: object, web_socket_instance: Any, data: Any) -> Any:
        """Run the filters on one event; returns what they left of `data`.

        What a filter raises ends here: it is logged and counted, and the chain stops unless the
        filter says `on_error = "skip"`.
        """
        runs = self.runs
        self.runs = runs + 1
        for call in self._calls if runs & _MASK else self._timed:
            try:
                result = call(web_socket_instance, data)
                if result is not None:
                    data = self._fit(result, data)
                elif type(data) is Message:  # changed in place, else it is a CheckedMessage
                    checked(data)
            except StopChain:
                self._stop(self._filter_of[call])
                break
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a stray gevent.Timeout is none of Exception
                if not self._survives(self._filter_of[call], web_socket_instance, error):
                    break
        return data

    def calls_of(self, link: type[FilterBase]) -> int:
        """How many events reached a filter: all but those that ended before it."""
        before = self.filters[: self.filters.index(link)]
        return self.runs - sum(self._ended[earlier] for earlier in before)

    def filter_of(self, call: Call) -> type[FilterBase]:
        """The filter behind one of the calls that `receive` makes."""
        return self._filter_of[call]

    def _stop(self, link: type[FilterBase]) -> None:
        self.stops[link] += 1
        self._ended[link] += 1

    def _survives(self, link: type[FilterBase], instance: Any, error: BaseException) -> bool:
        """Deal with a filter that raised; whether the chain goes on."""
        if self.forked:
            raise error
        if isinstance(error, GroupRefused | GroupNameInvalid):
            self._stop(link)
            self._rescue(instance, error)
            return False
        self.failures[link] += 1
        name = f"{link.__module__}.{link.__qualname__}"
        if isinstance(error, StorageAway):
            # Who watches the storage has said so once; here it would be once for each message.
            _log.debug("filter %s on %s: %s", name, instance, error)
        elif not self._told.due(link):
            _log.debug("filter %s failed again on %s: %s", name, instance, error)
        elif isinstance(error, TextNotUTF8 | UnfitResult):
            _log.error("filter %s failed on %s: %s", name, instance, error)
        else:
            _log.error("filter %s failed on %s", name, instance, exc_info=error)
        if link.on_error == "skip":
            return True
        self._ended[link] += 1
        self._rescue(instance, error)
        return False


def _offloaded(call: Call, offload: Offload) -> Call:
    return lambda web_socket_instance, data: offload(call, web_socket_instance, data)


def _timed(call: Call, samples: Samples) -> Call:
    seconds = SYSTEM_CLOCK.monotonic  # real ones, whatever clock the node has

    def timed(web_socket_instance: Any, data: Any) -> Any:
        start = seconds()
        try:
            return call(web_socket_instance, data)
        finally:
            samples.append(seconds() - start)

    return timed
