"""The metrics of a node, for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ConfigurationError

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

RESTED: Final = 20
"""A rendering is reused for so many times the time that it took."""

MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several processes share their metrics."""

_COUNTERS = {
    "connections_opened": ("WebSockets opened.", ()),
    "connections_closed": ("WebSockets closed, by close code.", ("code",)),
    "messages_received": ("Messages from clients.", ()),
    "messages_sent": ("Messages to clients.", ()),
    "received_bytes": ("Bytes from clients.", ()),
    "sent_bytes": ("Bytes to clients.", ()),
    "events": ("Events of a chain.", ("chain",)),
    "filter_calls": ("Calls of a filter.", ("chain", "filter")),
    "filter_errors": ("Errors that a filter raised.", ("chain", "filter")),
    "filter_stops": ("Events that a filter stopped.", ("chain", "filter")),
    "slow_consumers_closed": ("Connections closed because they read too slowly.", ()),
    "keepalive_losses": ("Connections given up because no ping was answered.", ()),
    "storage_losses": ("Times that the way to the shared storage was lost.", ()),
    "gaps": ("Times that messages to a group were found missing, and told so.", ()),
    "background_failures": ("Exceptions that a background task went on after.", ("task",)),
    "tokens": ("Tokens issued, refused and revoked.", ("what",)),
}
_GAUGES: dict[str, tuple[str, tuple[str, ...], Literal["livesum", "livemin", "livemax"]]] = {
    "connections": ("WebSockets open now.", (), "livesum"),
    "groups": ("Groups with members now.", (), "livesum"),
    "runners_blocked": ("Filters that wait for something now.", (), "livesum"),
    "storage_up": ("Whether the storage can be used.", (), "livemin"),
    "filter_seconds": ("Time of a filter's call, sampled.", ("chain", "filter", "quantile"),
                       "livemax"),
}  # fmt: skip


class Metrics:
    """The metrics of one node. `app` is the label that tells several nodes of a process apart.

    Where PROMETHEUS_MULTIPROC_DIR is set, each process writes its metrics there, and answers with
    the sum of all.
    """

    def __init__(self, app: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._app = app
        self._registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"fws_{name}", text, ("app", *labels), registry=self._registry)
            for name, (text, labels) in _COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(f"fws_{name}", text, ("app", *labels), registry=self._registry,
                        multiprocess_mode=mode)
            for name, (text, labels, mode) in _GAUGES.items()
        }  # fmt: skip
        self._told: dict[tuple[str, ...], float] = {}
        self._last = b""
        self._until = 0.0

    @staticmethod
    def check_folder() -> None:
        """Raise ConfigurationError if PROMETHEUS_MULTIPROC_DIR is set, and is not a folder.

        The library takes an empty name for the current folder, and fails at each request if the
        folder is missing.
        """
        folder = os.environ.get(MULTIPROCESS)
        if folder is not None and not (folder and Path(folder).is_dir()):
            raise ConfigurationError(f"{MULTIPROCESS} must name an existing folder, or be unset")

    @property
    def multiprocess(self) -> bool:
        """Return whether the metrics of other processes are added."""
        return MULTIPROCESS in os.environ

    def update(self, snapshot: Mapping[str, Any]) -> None:
        """Set the metrics to the values of a snapshot."""
        count, gauge = self._count, self._gauge
        connections, totals = snapshot["connections"], snapshot["totals"]
        gauge("connections", connections["now"])
        gauge("groups", snapshot["groups"]["count"])
        gauge("runners_blocked", snapshot["runners"]["blocked"])
        gauge("storage_up", snapshot["storage"]["healthy"])
        count("connections_opened", connections["opened"])
        count("messages_received", totals["messages_in"])
        count("messages_sent", totals["messages_out"])
        count("received_bytes", totals["bytes_in"])
        count("sent_bytes", totals["bytes_out"])
        count("slow_consumers_closed", snapshot["losses"]["slow"])
        count("keepalive_losses", snapshot["losses"]["keepalive"])
        count("storage_losses", snapshot["losses"]["storage"])
        count("gaps", snapshot["losses"]["gaps"])
        for task in snapshot["background"]:
            count("background_failures", task["failures"], task["name"])
        for each in snapshot["closes"]:
            count("connections_closed", each["count"], str(each["code"]))
        for what, number in snapshot["tokens"].items():
            count("tokens", number, what)
        for chain in snapshot["chains"]:
            count("events", chain["events"], chain["name"])
            for link in chain["filters"]:
                where = (chain["name"], link["name"])
                count("filter_calls", link["calls"], *where)
                count("filter_errors", link["errors"], *where)
                count("filter_stops", link["stops"], *where)
                for quantile in ("p50", "p99"):
                    if link[quantile] is not None:
                        gauge("filter_seconds", link[quantile], *where, f"0.{quantile[1:]}")

    @property
    def last(self) -> bytes | None:
        """The last rendering, or None if it is too old.

        It is reused for RESTED times the time that it took, so that any number of requests takes
        a small part of the CPU.
        """
        return self._last if self._clock.monotonic() < self._until else None

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        begun = self._clock.monotonic()
        self._last = self._rendered()
        self._until = begun + (1 + RESTED) * (self._clock.monotonic() - begun)
        return self._last

    def _rendered(self) -> bytes:
        registry = self._registry
        if self.multiprocess:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        return generate_latest(registry)

    def _count(self, name: str, total: float, *labels: str) -> None:
        key = (name, *labels)
        new = total - self._told.get(key, 0)
        counter = self._counters[name].labels(self._app, *labels)
        if new > 0:  # control frames are counted first and taken out a moment later
            counter.inc(new)
            self._told[key] = total

    def _gauge(self, name: str, value: float, *labels: str) -> None:
        self._gauges[name].labels(self._app, *labels).set(value)
