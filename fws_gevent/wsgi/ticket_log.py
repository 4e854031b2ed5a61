"""What gunicorn's access log may show of a request: everything but a ticket.

A ticket comes in the query, since a browser can give a WebSocket no headers, and opens a
connection to whoever reads it in time.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

_SECRET = "ticket"


def keep_tickets_from_the_log(environ: dict[str, Any]) -> dict[str, Any]:
    """The environ for the application, which reads tickets; gunicorn's own is logged later.

    They are one and the same where there is no ticket, for what an application puts into the
    environ can be logged as well.
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
    """Have a request that failed, and the error, show no ticket and nothing that wasn't parsed."""
    failed: tuple[Any, ...] = (request, getattr(error, "req", None))
    for each in failed:
        if getattr(each, "uri", None):
            each.uri, each.query = without_ticket(each.uri), hide_ticket(each.query or "")
    for name in ("req", "hdr", "method", "data"):
        if isinstance(getattr(error, name, None), str | bytes):
            setattr(error, name, "(not shown)")  # what couldn't be parsed may hold a secret


def without_ticket(target: str) -> str:
    """A request target with the value of its ticket hidden."""
    path, mark, query = target.partition("?")
    return path + mark + hide_ticket(query)


def hide_ticket(query: str) -> str:
    """A query with the value of its ticket hidden, however the name is written."""
    parts = query.split("&")
    return "&".join(
        f"{_SECRET}=-" if unquote_plus(part.partition("=")[0]) == _SECRET else part
        for part in parts
    )
