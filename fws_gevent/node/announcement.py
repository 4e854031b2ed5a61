"""The lines that say at the start what a server is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..logs.loggers import get_logger

if TYPE_CHECKING:
    from .node import Server

_log = get_logger("server")

_AUTH = {
    "off": "off, anybody may connect (--auth required asks for a token)",
    "optional": "optional, a client without a token may join no group",
    "required": "required, a client without a valid token is refused",
}


def announce(server: Server) -> None:
    """Log what this server is made of: its storage, and each chain's filters in order."""
    _log.info("storage: %s", server.storage_object)
    _log.info("auth: %s", _AUTH[server.settings.auth])
    if server.guard is not None and server.tokens.keys and not server.tokens.keys.lasting:
        _log.warning(
            "no signing key: tokens are signed with a random one, for this run only; "
            "set FWS_SIGNING_KEY to have them outlive it"
        )
    for name, chain in server.chains.items():
        if chain.filters:
            links = (f"{link.__module__}.{link.__name__}" for link in chain.filters)
            _log.info("chain %s: %s", name, " > ".join(links))
    capacity = server.admission.capacity
    if capacity < server.settings.max_connections:
        _log.info(
            "connections: %d at most instead of %d: the system lets this process have no "
            "more descriptors (ulimit -n)", capacity, server.settings.max_connections,
        )  # fmt: skip
