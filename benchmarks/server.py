"""Run our server for the benchmarks and the Autobahn suite: echo at /, broadcast at /fan."""

# ruff: noqa: E402 - nothing may be imported before the patch

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from typing import Any

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.server import build_server, default_parser


class EchoOrFan(WebSocketMessageFilter):
    """Send a message back, or at /fan to all other connections."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Answer one message."""
        if web_socket_instance.path == "/fan":
            web_socket_instance.broadcast(data)
        else:
            web_socket_instance.send(data)


def main() -> None:
    """Serve with the given flags, until SIGTERM or Ctrl-C."""
    build_server(default_parser().parse_args()).serve_forever()


if __name__ == "__main__":
    main()
