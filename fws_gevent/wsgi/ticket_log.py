"""Tickets are kept out of gunicorn's access log.

A ticket comes in the query, since a browser can't send headers with a WebSocket. A reader of the
log could use it until it expires.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

_SECRET = "ticket"


def keep_tickets_from_the_log(environ: dict[str, Any]) -> dict[str, Any]:
    """Return the environ for the application, and hide the ticket in gunicorn's, which it logs.

    Without a ticket both are the same object, since gunicorn can also log names that an application
    adds to the environ.
    """
    shown = {
        "QUERY_STRING": hide_ticket(environ["QUERY_STRING"]),
        "RAW_URI": without_ticket(environ["RAW_URI"]),
    }
    if "HTTP_REFERER" in environ:
        shown["HTTP_REFERER"] = without_ticket(environ["HTTP_REFERER"])
    if all(environ[name] == value for name, value in shown.items()):
        return environ
    private = dict(environ)
    environ.update(shown)
    return private


def hide_secrets_of(request: Any, error: BaseException) -> None:
    """Hide tickets and unparsed text in a request that failed, and in its error."""
    failed: tuple[Any, ...] = (request, getattr(error, "req", None))
    for each in failed:
        if getattr(each, "uri", None):
            each.uri, each.query = without_ticket(each.uri), hide_ticket(each.query or "")
    for name in ("req", "hdr", "method", "data"):
        if isinstance(getattr(error, name, None), str | bytes):
            setattr(error, name, "(not shown)")  # unparsed text may hold a secret


def without_ticket(target: str) -> str:
    """Return a request target with the value of its ticket hidden."""
    path, mark, query = target.partition("?")
    return path + mark + hide_ticket(query)


def hide_ticket(query: str) -> str:
    """Return a query with the value of its ticket hidden, also under an escaped name."""
    parts = query.split("&")
    return "&".join(
        f"{_SECRET}=-" if unquote_plus(part.partition("=")[0]) == _SECRET else part
        for part in parts
    )
