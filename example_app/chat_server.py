"""A chat: `python example_app/chat_server.py -p 9000`, then http://127.0.0.1:9000/ in a browser."""
# ruff: noqa: E402 - gevent has to patch before anything imports socket or time

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # started as a script: Python looks in its folder, not in the project's
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from example_app.page import chat_page
from fws_gevent.command import one_line_errors
from fws_gevent.filters import broadcast_message_filter  # noqa: F401 - composes the server
from fws_gevent.logs import configure_logging
from fws_gevent.server import build_server, default_parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the chat and its page until SIGTERM or Ctrl-C."""
    parser = default_parser()
    parser.description = "A chat: open http://HOST:PORT/ in two browser windows."
    options = parser.parse_args(arguments)
    configure_logging(options.log_level, options.log_format)
    with one_line_errors(parser.prog):
        build_server(options, application=chat_page).serve_forever()


if __name__ == "__main__":
    main()
