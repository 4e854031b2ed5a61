"""The access log: a line for each connection that opens and for each that ends."""

from __future__ import annotations

from ..connection.closed import Closed
from ..connection.connection import Connection
from ..logs.loggers import get_logger
from ..tokens.claims import CLIENT_PREFIX

_access = get_logger("access")


def log_open(connection: Connection) -> None:
    """Log that a connection opened."""
    _access.info(
        "open %s %s %s%s", connection.id, connection.peer_name, connection.path,
        _as_whom(connection),
        extra={"event": "open", "id": connection.id, "peer": connection.peer_name,
               "path": connection.path, "subject": _subject_of(connection)},
    )  # fmt: skip


def log_close(connection: Connection, closed: Closed) -> None:
    """Log that a connection ended."""
    clock = connection.node.reactor.clock
    seconds = round(clock.monotonic() - connection.opened_at, 3)
    _access.info(
        "close %s %s %s%s %d %.3fs %s", connection.id, connection.peer_name, connection.path,
        _as_whom(connection), closed.code, seconds, closed.reason,
        extra={"event": "close", "id": connection.id, "peer": connection.peer_name,
               "path": connection.path, "subject": _subject_of(connection),
               "code": int(closed.code), "reason": closed.reason, "seconds": seconds},
    )  # fmt: skip


def _as_whom(connection: Connection) -> str:
    subject = _subject_of(connection)
    return "" if subject is None else f" as {subject}"


def _subject_of(connection: Connection) -> str | None:
    """Return the subject of a connection; None also for a program without a name.

    A log-in to the status page without a token has such a subject.
    """
    return None if connection.subject == CLIENT_PREFIX else connection.subject
