"""What a server did so far, and lately: for the status page and for metrics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

from ..broker.base import process_name
from ..errors import CloseCode
from ..filters.chain import Chain
from ..loop.supervision import Failures
from .largest_groups import LargestGroups

if TYPE_CHECKING:
    from .node import Server

STEP = 2.0
"""Seconds between two looks at the counters."""

KEPT = 150
"""Looks that are kept: five minutes."""

Snapshot = dict[str, Any]
"""A server's state as JSON has it."""

_MEANINGS = {int(known): known.meaning for known in CloseCode}

_RATES = ("messages_in", "messages_out", "bytes_in", "bytes_out")


class _Look(NamedTuple):
    at: float
    connections: int
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int


class Statistics:
    """Looks at a server's counters every two seconds, on the wheel that its deadlines share."""

    def __init__(self, server: Server) -> None:
        self.due = 0
        self.name = process_name()
        self._server = server
        self._looks: deque[_Look] = deque(maxlen=KEPT + 1)
        self._listeners: list[Callable[[], None]] = []
        self._largest = LargestGroups(server.groups)
        self.failures = Failures("statistics")

    def start(self) -> None:
        """Begin, in the process that serves."""
        self.name = process_name()
        self.on_due()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, which must not block, after each look."""
        self._listeners.append(listener)

    def on_due(self) -> None:
        """Look, tell, and look again later."""
        self._looks.append(self._look())
        self._largest.look()
        self._server.wheel.schedule(self, self._server.wheel.ticks(STEP))
        for listener in self._listeners:
            try:
                listener()
            except Exception as error:  # noqa: BLE001 - the others are called all the same
                self.failures.add(error)

    def _look(self) -> _Look:
        server, reactor = self._server, self._server.reactor
        return _Look(
            monotonic(), server.live, _messages_in(server), reactor.messages_out,
            reactor.bytes_in, reactor.bytes_out,
        )  # fmt: skip

    def snapshot(self, history: bool = True) -> Snapshot:
        """All there is to know now; with `history`, the last five minutes too."""
        server, found = self._server, self.figures()
        here, others = self.summary(), server.broker.others
        found["groups"]["largest"] = self._largest.told()
        found |= {
            "time": time(),
            "state": here["state"],
            "nodes": [{**here, "this": True}, *({**other, "this": False} for other in others)],
            "auth": server.settings.auth,
            "rates": self._rates(),
            "recent_closes": [
                {"time": at, "code": closed.code, "reason": closed.reason}
                for at, closed in reversed(server.recent_closes)
            ],
        }
        if history:
            found["history"] = self._history()
        return found

    def figures(self) -> Snapshot:
        """Return the numbers alone, at a cost that clients have no part in: for metrics."""
        server, look = self._server, self._look()
        return {
            "connections": {
                "now": server.live,
                "opened": server.closes.total() + server.live,
                "closed": server.closes.total(),
                "limit": server.admission.capacity,
            },
            "totals": {name: getattr(look, name) for name in _RATES},
            "groups": {"count": len(server.groups) - server.subject_groups},
            "chains": [_chain(name, chain) for name, chain in server.chains.items()],
            "losses": {
                **server.losses,
                "storage": server.broker.losses,
                "gaps": server.broker.gaps,
            },
            "tokens": dict(server.tokens.counts),
            "background": _background(server),
            "runners": {"blocked": server.reactor.blocked, "limit": server.settings.max_runners},
            "storage": {
                "name": str(server.storage_object),
                "healthy": server.healthy,
                "shared": server.storage_object.shared,
            },
            "closes": [
                {"code": _shown(code), "meaning": _meaning(code), "count": count}
                for code, count in sorted(server.closes.items())
            ],
        }

    def summary(self) -> Snapshot:
        """What a node says of itself to the others."""
        server, now = self._server, time()
        uptime = 0.0 if server.started_at is None else round(now - server.started_at, 1)
        rates = self._rates()
        return {
            "name": self.name,
            "uptime": uptime,
            "state": "draining" if server.draining else "serving",
            "connections": server.live,
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


def _messages_in(server: Server) -> int:
    """The messages that came: each is counted once, by who hears it first."""
    unheard, chain = server.reactor.messages_unheard, server.chains.get("message")
    if chain is None:
        return unheard  # it hasn't begun
    return unheard + (chain.runs if chain.filters else server.message_bus.emitted)


def _rates_between(first: _Look, second: _Look) -> dict[str, float]:
    seconds = max(second.at - first.at, 1e-3)
    return {
        name: round((getattr(second, name) - getattr(first, name)) / seconds, 1) for name in _RATES
    }


def _background(server: Server) -> list[dict[str, Any]]:
    """What the background tasks raised, those of one name together."""
    found: dict[str, dict[str, Any]] = {}
    for task in server.background:
        said = found.setdefault(task.name, {"name": task.name, "failures": 0, "failing": False})
        said["failures"] += task.count
        said["failing"] |= task.failing
    return list(found.values())


def _chain(name: str, chain: Chain) -> dict[str, Any]:
    filters = []
    for link in chain.filters:
        times = sorted(chain.samples[link])
        filters.append(
            {
                "name": f"{link.__module__}.{link.__qualname__}",
                "calls": chain.calls_of(link),
                "p50": _quantile(times, 0.5),
                "p99": _quantile(times, 0.99),
                "errors": chain.failures[link],
                "stops": chain.stops[link],
            }
        )
    return {"name": name, "events": chain.runs, "filters": filters}


def _quantile(ordered: list[float], part: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None


def counted_as(code: int) -> int:
    """Return what a close code is counted as: itself, or the thousand of those that we don't know.

    Clients choose from 2000 codes, and each number that is kept would be a time series for ever.
    """
    return code if code in _MEANINGS else code - code % 1000


def _shown(code: int) -> int | str:
    return code if code in _MEANINGS else f"{code // 1000}xxx"


def _meaning(code: int) -> str:
    return _MEANINGS.get(code, "an application's own")
