"""The application context that filters of a Flask application run in."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any

from flask import Flask, appcontext_tearing_down
from flask.ctx import AppContext
from flask.globals import _cv_app  # Flask has no public name for pushing a context late

from ..node.events import Contexts


def contexts_of(app: Flask) -> Contexts:
    """Return the contexts of `app` for the events of its connections.

    The connect event has a request context, made from the environ of the upgrade request.
    """
    return Contexts(app.request_context, lambda _data: EventContext(app))


class EventContext(AppContext):
    """An application context for one event, which is made and pushed when it is first used.

    An event that doesn't use it pays for a context variable. Where the application has functions
    to call when a context ends, they are called after each event: some, like Flask-SQLAlchemy's,
    keep what they clean by the context's identity, which leaves no trace of the use.
    """

    def __init__(self, app: Flask) -> None:
        # AppContext's own __init__ follows at the first use.
        self._made_for = app
        self._home: Context | None = None

    def __enter__(self) -> EventContext:
        """Make this the current application context."""
        self._token = _cv_app.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Tear down what was used, and restore what was current before."""
        try:
            if self._home is None:
                app = self._made_for
                if not (app.teardown_appcontext_funcs or appcontext_tearing_down.receivers):
                    return  # nobody used it, and nobody waits for its end
                self._begin()
            self._run(self.pop, exc_value)
        finally:
            _cv_app.reset(self._token)

    def __getattr__(self, name: str) -> Any:
        """Make the context: asked for an attribute that it has not yet."""
        if self._home is not None or name.startswith("__"):
            raise AttributeError(name)
        self._begin()
        return getattr(self, name)

    def _begin(self) -> None:
        # Pushed and popped in a contextvars.Context of its own: the first use may be in a thread
        # for offloaded filters, and Flask's token is good in one Context only.
        self._home = copy_context()
        super().__init__(self._made_for)
        self._run(self.push)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> None:
        assert self._home is not None
        self._home.run(function, *arguments)
