"""Filtered WebSocket on gevent: WebSocket servers composed of filter chains.

from fws_gevent.server import build_server, default_parser
from fws_gevent.filters import broadcast_message_filter

build_server(default_parser().parse_args()).serve_forever()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .errors import (
    CloseCode,
    ConfigurationError,
    ConnectsTooOften,
    FilterDefinitionError,
    FilterFailed,
    FwsError,
    GroupNameInvalid,
    GroupRefused,
    HandshakeRefused,
    NoRoom,
    NoSuchPath,
    NotIssued,
    NotReady,
    NotServing,
    OriginRefused,
    PublishFailed,
    ShuttingDown,
    StorageAway,
    StoreFull,
    SubjectFull,
    TextNotUTF8,
    TokenInvalid,
    TokenRefused,
    UnfitResult,
)
from .message import BinaryMessage, Message

if TYPE_CHECKING:
    from .connection.closed import Closed
    from .connection.connection import Connection
    from .extension import FilteredWebSocket
    from .filters.registry import isolated_filters
    from .node.node import Node
    from .publisher import Publisher
    from .settings import Settings
    from .signals import Member
    from .storage.redis import RedisStorageObject
    from .tokens import Claims
    from .web.grants import TokenGrant, TokenResponse

__all__ = [
    "BinaryMessage",
    "Claims",
    "CloseCode",
    "Closed",
    "ConfigurationError",
    "Connection",
    "ConnectsTooOften",
    "FilterDefinitionError",
    "FilterFailed",
    "FilteredWebSocket",
    "FwsError",
    "GroupNameInvalid",
    "GroupRefused",
    "HandshakeRefused",
    "Member",
    "Message",
    "NoRoom",
    "NoSuchPath",
    "Node",
    "NotIssued",
    "NotReady",
    "NotServing",
    "OriginRefused",
    "PublishFailed",
    "Publisher",
    "RedisStorageObject",
    "Settings",
    "ShuttingDown",
    "StorageAway",
    "StoreFull",
    "SubjectFull",
    "TextNotUTF8",
    "TokenGrant",
    "TokenInvalid",
    "TokenRefused",
    "TokenResponse",
    "UnfitResult",
    "__version__",
    "isolated_filters",
]

_HOMES = {
    "Claims": ".tokens",
    "Closed": ".connection.closed",
    "Connection": ".connection.connection",
    "FilteredWebSocket": ".extension",
    "Member": ".signals",
    "Node": ".node.node",
    "Publisher": ".publisher",
    "RedisStorageObject": ".storage.redis",
    "Settings": ".settings",
    "TokenGrant": ".web.grants",
    "TokenResponse": ".web.grants",
    "isolated_filters": ".filters.registry",
}
"""The modules of the names that are imported at their first use.

The package itself imports neither gevent nor Flask: gevent has to patch before most other modules
are imported.
"""


def __getattr__(name: str) -> Any:
    """Import a name at its first use (PEP 562). Raises AttributeError."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    """Return all names, those that are still to be imported included."""
    return sorted({*globals(), *__all__})
