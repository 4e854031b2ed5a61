"""Filtered WebSocket on gevent: WebSocket servers composed of filter chains.

from fws_gevent.server import build_server, default_parser
from fws_gevent.filters import broadcast_message_filter

build_server(default_parser().parse_args()).serve_forever()
"""

from .errors import CloseCode, ConfigurationError, FwsError, PublishFailed
from .message import BinaryMessage, Message

__version__ = "0.1.0"

__all__ = [
    "BinaryMessage",
    "CloseCode",
    "ConfigurationError",
    "FwsError",
    "Message",
    "PublishFailed",
    "__version__",
]
