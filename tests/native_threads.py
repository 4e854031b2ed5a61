"""Native threads, which gevent's patches leave alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.monkey import get_original

from .waiting import until

start: Callable[..., int] = get_original("_thread", "start_new_thread")
allocate_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")


class Running:
    """A function that runs in a native thread."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._outcome: list[Any] = []
        start(self._run, (function, arguments))

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            self._outcome.append((function(*arguments), None))
        except Exception as error:
            self._outcome.append((None, error))

    def result(self) -> Any:
        """Wait for the function; return its result or raise its exception."""
        until(lambda: self._outcome)
        result, error = self._outcome[0]
        if error is not None:
            raise error
        return result


def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a function, or raise its exception, from a native thread."""
    return Running(function, *arguments).result()
