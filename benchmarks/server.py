"""Run our server for the benchmarks and the Autobahn suite: echo at /, broadcast at /fan."""

# ruff: noqa: E402 - nothing may be imported before the patch

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from typing import Any

from fws_gevent.cli.command import one_line_errors
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.logs.configuration import configure_logging
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
    parser = default_parser()
    options = parser.parse_args()
    configure_logging(options.log_level, options.log_format)
    with one_line_errors(parser.prog):
        build_server(options).serve_forever()


if __name__ == "__main__":
    main()
