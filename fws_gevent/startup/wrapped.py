"""The search for the Flask application with the extension behind any middleware."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator
from inspect import getattr_static
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard, TypeVar
from weakref import ReferenceType

from flask import Flask

from ..errors import ConfigurationError
from .middleware import WebSocketMiddleware

T = TypeVar("T")

EXTENSION = "fws"
"""The key in `app.extensions`."""

_MOST = 20_000
"""Objects that a search looks at."""

_OURS = "fws_gevent."
"""Begins the modules of this package, in which only the middleware calls an application."""

_NOT_ENTERED = (type, ModuleType, FrameType, CodeType)


def flask_app_in(application: object) -> Flask | None:
    """Return the Flask application with the extension that `application` is, or calls in the end.

    Middleware keeps the application that it wraps in an attribute, a closure, a dictionary or a
    global variable: the search follows all references from `application`, the nearest first.
    Returns None if there is no such application.

    Raises:
        ConfigurationError: There are several, and a server serves one.
    """
    found: list[Flask] = []
    seen = {id(application)}
    # Objects that were looked at are kept, since the id of a deleted one may be used again.
    looked_at: list[object] = []
    waiting = deque([application])
    while waiting and len(looked_at) < _MOST:
        each = waiting.popleft()
        looked_at.append(each)
        if _is_a(each, Flask) and EXTENSION in each.extensions:
            found.append(each)
            continue
        for inner in _references_of(each):
            if id(inner) not in seen and not issubclass(type(inner), _NOT_ENTERED):
                seen.add(id(inner))
                waiting.append(inner)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ConfigurationError(
            f"the application leads to {len(found)} Flask applications with FilteredWebSocket "
            f"({names}): serve each by a server of its own"
        )
    return found[0] if found else None


def _references_of(each: object) -> Iterable[Any]:
    """Return the objects that `each` may call: names of a function, the seam of a Flask app."""
    if _is_a(each, Flask):
        return (each.wsgi_app,)
    if _is_a(each, WebSocketMiddleware):
        return (each.application,)
    if str(type(each).__module__).startswith(_OURS):
        return ()
    if _is_a(each, FunctionType):
        defaults = (*(each.__defaults__ or ()), each.__kwdefaults__)
        return (*_variables_of(each), *defaults, vars(each))
    if _is_a(each, MethodType):
        return (each.__self__, each.__func__)
    if _is_a(each, ReferenceType):
        return (each(),)
    call = getattr_static(type(each), "__call__", None)
    return (*gc.get_referents(each), *((call,) if isinstance(call, FunctionType) else ()))


def _is_a(each: object, kind: type[T]) -> TypeGuard[T]:
    """Return whether `each` itself has that type. Proxies and lazy objects are not looked into."""
    return issubclass(type(each), kind)


def _variables_of(function: FunctionType) -> Iterator[Any]:
    """Yield the values of a function's own cells, and of the global names in its code."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    names = set(_names_in(function.__code__))
    values = [function.__globals__[name] for name in names if name in function.__globals__]
    yield from values
    for module in values:
        if _is_a(module, ModuleType):
            yield from (vars(module)[name] for name in names if name in vars(module))


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the names of globals and attributes in `code` and in the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
