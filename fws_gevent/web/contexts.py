"""The Flask context in which the filters of an application run."""

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
    """An application context for one event, made and pushed at its first use.

    An event that doesn't use it costs a context variable. If the application has teardown
    functions, the context is made for each event: some of them, like Flask-SQLAlchemy's, clean up
    by the identity of the context, so that a use can't be noticed.
    """

    def __init__(self, app: Flask) -> None:
        # `_begin` calls AppContext's own __init__ at the first use.
        self._made_for = app
        self._home: Context | None = None

    def __enter__(self) -> EventContext:
        """Become the current application context."""
        self._token = _cv_app.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Tear the context down if it was used, and restore the one before."""
        try:
            if self._home is None:
                app = self._made_for
                if not (app.teardown_appcontext_funcs or appcontext_tearing_down.receivers):
                    return  # it was neither used nor will its end be noticed
                self._begin()
            self._run(self.pop, exc_value)
        finally:
            _cv_app.reset(self._token)

    def __getattr__(self, name: str) -> Any:
        """Make the context at the first use of one of its attributes."""
        if self._home is not None or name.startswith("__"):
            raise AttributeError(name)
        self._begin()
        return getattr(self, name)

    def _begin(self) -> None:
        # Push and pop happen in the same contextvars.Context, as Flask's token demands: the first
        # use may be in a thread for offloaded filters.
        self._home = copy_context()
        super().__init__(self._made_for)
        self._run(self.push)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> None:
        assert self._home is not None
        self._home.run(function, *arguments)
