"""The service behind the pages of one application."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from flask import current_app

from ..node.node import Node
from ..node.rates import per_minute
from ..node.statistics import Snapshot
from ..tokens import Tokens
from ..tokens.clients import TokenClients
from .admin import Admin
from .grants import Hooks
from .live import StatusFeed
from .metrics import MULTIPROCESS, Metrics

KEY = "fws.web"
"""The key of the service in `app.extensions`."""

LIVE = "/fws/status/live"
"""The path of the status page's WebSocket."""

WAY_IN = "to open it, set FWS_ADMIN_PASSWORD to what `flask fws hash` prints, and start again"
"""The advice where several processes have neither a password nor a signing key."""

LOG_INS = 10
"""Attempts a minute per client address to log in to the status page."""


class WebService:
    """The node that the pages of one application show, its tokens and its limits."""

    def __init__(self, name: str, node: Node, version: str, hooks: Hooks | None = None) -> None:
        self._name = name
        self._version = version
        self.hooks = Hooks() if hooks is None else hooks
        self.bypass_middleware: Callable[[], None] = lambda: None
        """Called when the node of our own server replaces the first one."""
        self._metrics: Metrics | None = None
        self.serve(node)

    def serve(self, node: Node) -> None:
        """Show a node that is not started yet from now on. Raises ConfigurationError."""
        Metrics.check_folder()
        settings, clock = node.settings, node.tokens.clock
        self.node = node
        self.clients = TokenClients.from_file(settings.token_clients)
        self.token_limiter = per_minute(settings.token_rate, clock)
        self.guess_limiter = per_minute(settings.token_rate, clock)
        """Counts wrong secrets of programs, by client address."""
        self.log_in_limiter = per_minute(LOG_INS, clock)
        self.admin = Admin(settings, node.tokens)
        node.side_nodes[LIVE] = StatusFeed(node, self.admin, self.snapshot)
        node.statistics.listen(self._on_look)

    @property
    def tokens(self) -> Tokens:
        """The tokens of the node."""
        return self.node.tokens

    @property
    def metrics(self) -> Metrics:
        """The metrics for Prometheus. They are created in the process that serves them."""
        if self._metrics is None:
            self._metrics = Metrics(self._name, self.tokens.clock)
        return self._metrics

    def say_link(self, url: str) -> None:
        """Print the one-time link to the status page of the server at `url`, if there is one.

        It is no log line: logs are kept, and read by more people.
        """
        secret = self.admin.link_secret
        if secret is not None:
            link = f"{url}fws/status?ticket={secret}"
            _say(f"status page (this link works once): {link}")
        elif self.admin.is_shut:
            _say(f"status page: {WAY_IN}")

    def snapshot(self, history: bool = True) -> Snapshot:
        """Return the figures that the status page shows."""
        found = self.node.statistics.snapshot(history)
        return {"version": self._version, "warnings": self._warnings(), **found}

    def _warnings(self) -> list[str]:
        warnings = []
        if self.tokens.several_processes and not self.node.broker.shared:
            warnings.append(
                "Several workers without Redis: this page shows one of them, and a "
                "broadcast reaches only its clients."
            )
        keys = self.tokens.keys
        if keys is not None and not keys.lasting:
            warnings.append("No signing key is set: all tokens end with this process.")
        if not self.node.healthy:
            warnings.append("The storage can't be reached.")
        failing = sorted({each.name for each in self.node.statistics.background if each.failing})
        if failing:
            warnings.append(f"Background tasks fail, see the log: {', '.join(failing)}.")
        blocked, limit = self.node.reactor.blocked, self.node.settings.max_runners
        if blocked >= limit:
            warnings.append(f"All {limit} runners are blocked in filters: connections wait.")
        return warnings

    def _on_look(self) -> None:
        if MULTIPROCESS in os.environ:  # the process that is asked adds up the numbers of all
            self.metrics.update(self.node.statistics.figures())


def _say(line: str) -> None:
    # In one call, since another thread writes log lines meanwhile.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def service() -> WebService:
    """Return the service of the present application."""
    found: WebService = current_app.extensions[KEY]
    return found
