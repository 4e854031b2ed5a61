"""Filtered WebSocket on gevent: WebSocket servers composed of filter chains.

from fws_gevent.server import build_server, default_parser
from fws_gevent.filters import broadcast_message_filter

build_server(default_parser().parse_args()).serve_forever()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    CloseCode,
    ConfigurationError,
    FwsError,
    GroupNameInvalid,
    GroupRefused,
    PublishFailed,
    StorageAway,
)
from .message import BinaryMessage, Message

if TYPE_CHECKING:
    from .extension import FilteredWebSocket
    from .publisher import Publisher
    from .storage.redis import RedisStorageObject
    from .web.service import TokenGrant

__version__ = "0.1.0"

__all__ = [
    "BinaryMessage",
    "CloseCode",
    "ConfigurationError",
    "FilteredWebSocket",
    "FwsError",
    "GroupNameInvalid",
    "GroupRefused",
    "Message",
    "PublishFailed",
    "Publisher",
    "RedisStorageObject",
    "StorageAway",
    "TokenGrant",
    "__version__",
]

# Imported when they are asked for: the package itself pulls in neither gevent nor Flask, since
# gevent has to patch before most other modules are imported.
_LATER = {"FilteredWebSocket": ".extension", "Publisher": ".publisher",
          "RedisStorageObject": ".storage.redis", "TokenGrant": ".web.service"}  # fmt: skip


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for (PEP 562)."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name], __name__), name)
