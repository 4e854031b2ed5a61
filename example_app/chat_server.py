"""The chat: `python example_app/chat_server.py -p 9000`, then http://127.0.0.1:9000/."""
# ruff: noqa: E402 - gevent must patch before any module imports socket or time

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # it runs as a script, so Python doesn't look in the project's folder
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from example_app.app import create_app
from fws_gevent import ConfigurationError
from fws_gevent.server import build_server, default_parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the chat until SIGTERM or Ctrl-C. An error ends it with one line and status 2."""
    try:
        serve(arguments)
    except ConfigurationError as error:
        print(f"{Path(__file__).name}: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def serve(arguments: Sequence[str] | None) -> None:
    """Serve the chat. Flags override app.config, and app.config overrides FWS_… variables."""
    app = create_app()
    parser = default_parser(app)
    parser.description = "A chat: open http://HOST:PORT/ in two browser windows."
    build_server(parser.parse_args(arguments), application=app).serve_forever()


if __name__ == "__main__":
    main()
