"""A node for settings and a storage object, and the signing key that it needs."""

from __future__ import annotations

from collections.abc import Sequence

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ConfigurationError
from ..filters.base import FilterBase
from ..node.events import NO_CONTEXTS, Contexts
from ..node.node import Node
from ..settings import Settings
from ..storage.base import BaseStorageObject
from ..tokens.keys import KeyRing
from .broker import shared_with


def make_node(
    settings: Settings,
    storage_object: BaseStorageObject | None = None,
    filters: Sequence[type[FilterBase]] | None = None,
    contexts: Contexts = NO_CONTEXTS,
    clock: Clock = SYSTEM_CLOCK,
) -> Node:
    """Return a node, one of many with a storage object that several nodes share.

    Raises ConfigurationError.
    """
    shared = shared_with(settings, storage_object, clock)
    return Node(
        settings, storage_object, filters,
        tokens=shared.tokens(settings), broker=shared.broker, contexts=contexts,
        clock=clock,
    )  # fmt: skip


def settle_keys(node: Node, *, alone: bool) -> None:
    """Make sure that a node that checks tokens has a signing key.

    Args:
        node: The node.
        alone: True for one process on loopback, for which a random key is enough.

    Raises:
        ConfigurationError: There is no key, and it needs a lasting one.
    """
    if not node.auth or node.tokens.keys is not None:
        return
    if not alone:
        raise ConfigurationError(
            f"auth {node.settings.auth} needs a signing key: set FWS_SIGNING_KEY "
            "(python -c 'import secrets; print(secrets.token_hex(32))' makes one)"
        )
    node.tokens.keys = KeyRing.for_this_run()
