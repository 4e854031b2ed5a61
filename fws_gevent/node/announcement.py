"""The log lines at the start of a node that say what it is made of."""

from __future__ import annotations

from collections.abc import Mapping

from ..filters.chain import Chain
from ..logs.loggers import get_logger
from ..settings import Settings
from ..storage.base import BaseStorageObject
from ..tokens import Tokens

_log = get_logger("server")

_AUTH = {
    "off": "off, anybody may connect (--auth required asks for a token)",
    "optional": "optional, a client without a token may join no group",
    "required": "required, a client without a valid token is refused",
}


def announce(
    settings: Settings,
    storage_object: BaseStorageObject,
    tokens: Tokens,
    chains: Mapping[str, Chain],
    capacity: int,
) -> None:
    """Log the storage, the checks of tokens, each chain's filters in order, and the capacity."""
    _log.info("storage: %s", storage_object)
    _log.info("auth: %s", _AUTH[settings.auth])
    if settings.auth != "off" and tokens.keys and not tokens.keys.lasting:
        _log.warning(
            "no signing key: tokens are signed with a random one, for this run only; "
            "set FWS_SIGNING_KEY to have them outlive it"
        )
    for name, chain in chains.items():
        if chain.filters:
            filters = (f"{each.__module__}.{each.__name__}" for each in chain.filters)
            _log.info("chain %s: %s", name, " > ".join(filters))
    if capacity < settings.max_connections:
        _log.info(
            "connections: %d at most instead of %d: the system lets this process have no "
            "more descriptors (ulimit -n)", capacity, settings.max_connections,
        )  # fmt: skip
