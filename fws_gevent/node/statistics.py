"""The figures of a node, in all and of the last minutes: for the status page and for metrics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..broker.base import Broker, process_name
from ..clock import Clock
from ..filters.chain import Chain
from ..loop.reactor import Reactor
from ..loop.supervision import Failures
from ..loop.wheel import Wheel
from ..settings import Settings
from ..storage.base import BaseStorageObject
from ..tokens import Tokens
from .counters import Counters, meaning, shown
from .events import Events
from .largest_groups import LargestGroups
from .limits import ConnectionLimits
from .members import Membership
from .shutdown import Shutdown

STEP = 2.0
"""Seconds between two looks at the counters."""

KEPT = 150
"""Looks that are kept: five minutes."""

Snapshot = dict[str, Any]
"""The state of a node as JSON has it."""

_RATES = ("messages_in", "messages_out", "bytes_in", "bytes_out")


class _Look(NamedTuple):
    at: float
    connections: int
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int


class Statistics:
    """Looks at a node's counters every two seconds, on the wheel that its deadlines share."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        reactor: Reactor,
        wheel: Wheel,
        limits: ConnectionLimits,
        shutdown: Shutdown,
        counters: Counters,
        membership: Membership,
        events: Events,
        tokens: Tokens,
        storage_object: BaseStorageObject,
        broker: Broker,
    ) -> None:
        self.due = 0
        self.name = process_name()
        self._clock = clock
        self._settings = settings
        self._reactor = reactor
        self._wheel = wheel
        self._limits = limits
        self._shutdown = shutdown
        self._counters = counters
        self._membership = membership
        self._events = events
        self._tokens = tokens
        self._storage_object = storage_object
        self._broker = broker
        self._started_at: float | None = None
        self._looks: deque[_Look] = deque(maxlen=KEPT + 1)
        self._listeners: list[Callable[[], None]] = []
        self._largest = LargestGroups(membership.groups)
        self.failures = Failures("statistics", clock)

    def start(self) -> None:
        """Begin, in the process that serves."""
        self.name = process_name()
        self._started_at = self._clock.wall()
        self.on_due()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, which must not block, after each look."""
        self._listeners.append(listener)

    def on_due(self) -> None:
        """Look at the counters, call the listeners, and look again later."""
        self._looks.append(self._look())
        self._largest.look()
        self._wheel.schedule(self, self._wheel.ticks(STEP))
        for listener in self._listeners:
            try:
                listener()
            except Exception as error:  # noqa: BLE001 - the others are called all the same
                self.failures.add(error)

    def _look(self) -> _Look:
        reactor = self._reactor
        return _Look(
            self._clock.monotonic(), self._limits.live, self._messages_in(), reactor.messages_out,
            reactor.bytes_in, reactor.bytes_out,
        )  # fmt: skip

    def _messages_in(self) -> int:
        """Return the messages that came: each is counted once, by its first receiver."""
        unheard, chain = self._reactor.messages_unheard, self._events.chains.get("message")
        if chain is None:
            return unheard  # the node hasn't started
        return unheard + (chain.runs if chain.filters else self._events.message_route.emitted)

    # Figures.

    def snapshot(self, history: bool = True) -> Snapshot:
        """Return all figures of now; with `history`, those of the last five minutes too."""
        found, here = self.figures(), self.summary()
        others = self._broker.others
        found["groups"]["largest"] = self._largest.shown()
        found |= {
            "time": self._clock.wall(),
            "state": here["state"],
            "nodes": [{**here, "this": True}, *({**other, "this": False} for other in others)],
            "auth": self._settings.auth,
            "rates": self._rates(),
            "recent_closes": [
                {"time": at, "code": closed.code, "reason": closed.reason}
                for at, closed in reversed(self._counters.recent)
            ],
        }
        if history:
            found["history"] = self._history()
        return found

    def figures(self) -> Snapshot:
        """Return the numbers alone, for metrics: at a cost that doesn't depend on clients."""
        look, closes, limits = self._look(), self._counters.closes, self._limits
        groups = self._membership
        return {
            "connections": {
                "now": limits.live,
                "opened": closes.total() + limits.live,
                "closed": closes.total(),
                "limit": limits.capacity,
            },
            "totals": {name: getattr(look, name) for name in _RATES},
            "groups": {"count": len(groups.groups) - groups.subject_groups},
            "chains": [_chain(name, chain) for name, chain in self._events.chains.items()],
            "losses": {
                **self._counters.losses,
                "storage": self._broker.losses,
                "gaps": self._broker.gaps,
            },
            "tokens": dict(self._tokens.counts),
            "background": _background(self.background),
            "runners": {"blocked": self._reactor.blocked, "limit": self._settings.max_runners},
            "storage": {
                "name": str(self._storage_object),
                "healthy": self._storage_object.healthy and self._broker.healthy,
                "shared": self._storage_object.shared,
            },
            "closes": [
                {"code": shown(code), "meaning": meaning(code), "count": count}
                for code, count in sorted(closes.items())
            ],
        }

    @property
    def background(self) -> Sequence[Failures]:
        """The tasks that run beside the connections."""
        own = (self._reactor.failures, self._wheel.failures, self.failures)
        return [*own, *self._broker.loops]

    def summary(self) -> Snapshot:
        """Return what the node says of itself to the others."""
        started_at = self._started_at
        rates = self._rates()
        return {
            "name": self.name,
            "uptime": 0.0 if started_at is None else round(self._clock.wall() - started_at, 1),
            "state": "draining" if self._shutdown.begun else "serving",
            "connections": self._limits.live,
            "messages_in": rates["messages_in"],
            "messages_out": rates["messages_out"],
        }

    def _rates(self) -> dict[str, float]:
        if len(self._looks) < 2:
            return dict.fromkeys(_RATES, 0.0)
        return _rates_between(self._looks[-2], self._looks[-1])

    def _history(self) -> dict[str, Any]:
        looks = tuple(self._looks)
        rates = [_rates_between(first, second) for first, second in pairwise(looks)]
        return {
            "step": STEP,
            "connections": [look.connections for look in looks[1:]],
            **{name: [each[name] for each in rates] for name in _RATES},
        }


def _rates_between(first: _Look, second: _Look) -> dict[str, float]:
    seconds = max(second.at - first.at, 1e-3)
    return {
        name: round((getattr(second, name) - getattr(first, name)) / seconds, 1) for name in _RATES
    }


def _background(tasks: Sequence[Failures]) -> list[dict[str, Any]]:
    """Return what the background tasks raised, those of one name together."""
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        said = found.setdefault(task.name, {"name": task.name, "failures": 0, "failing": False})
        said["failures"] += task.count
        said["failing"] |= task.failing
    return list(found.values())


def _chain(name: str, chain: Chain) -> dict[str, Any]:
    filters = []
    for each in chain.filters:
        times = sorted(chain.samples[each])
        filters.append(
            {
                "name": f"{each.__module__}.{each.__qualname__}",
                "calls": chain.calls_of(each),
                "p50": _quantile(times, 0.5),
                "p99": _quantile(times, 0.99),
                "errors": chain.failures[each],
                "stops": chain.stops[each],
            }
        )
    return {"name": name, "events": chain.runs, "filters": filters}


def _quantile(ordered: list[float], part: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None
