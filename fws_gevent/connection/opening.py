"""The connect event of a connection, inside what the application puts around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CloseCode
from ..logs.loggers import get_logger

if TYPE_CHECKING:
    from ..node.node import Server
    from .connection import Connection

_log = get_logger("filters")

_REASON = "the application failed"


def tell_open(server: Server, connection: Connection, environ: dict[str, Any]) -> bool:
    """Tell that a connection opened; return whether that was told.

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
        if server.told.due("connect"):
            _log.error(
                "the application failed around the connect filters of %s",
                connection,
                exc_info=error,
            )
        connection.close(CloseCode.INTERNAL_ERROR, _REASON)
    return told
