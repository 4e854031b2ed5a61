"""The connect event of a connection, inside what the application puts around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..connection.connection import Connection
from ..errors import CloseCode
from ..logs.loggers import get_logger

if TYPE_CHECKING:
    from .events import Events

_log = get_logger("filters")

_REASON = "the application failed"


def emit_connect(server: Events, connection: Connection, environ: dict[str, Any]) -> bool:
    """Emit the connect event of a connection; return whether its filters were called.

    `server.around_connect` is the application's code: opening a session, for one, and functions
    for the teardown of a request. What it raises is logged as the application's, and the
    connection closes with 1011. (What a filter raises ends in its chain.)
    """
    if server.connect_route.emit is None:
        return True
    told = False
    try:
        with server.around_connect(environ):
            told = True
            server.connect_route.emit(server, connection, environ)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stray gevent.Timeout is none of Exception
        if server.reactor.forked:
            raise
        if server.repeats.due("connect"):
            _log.error(
                "the application failed around the connect filters of %s",
                connection,
                exc_info=error,
            )
        connection.close(CloseCode.INTERNAL_ERROR, _REASON)
    return told
