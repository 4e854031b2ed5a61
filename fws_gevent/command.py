"""The command `fws_server`, also `python -m fws_gevent`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .errors import FwsError
from .parser import default_parser
from .server import build_server

DEFAULT_FILTERS = (
    "fws_gevent.filters.broadcast_message_filter",
    "fws_gevent.filters.stdout_messages",
)


@contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """Turn an error of ours into one line on standard error and exit status 2."""
    try:
        yield
    except FwsError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says, until SIGTERM or Ctrl-C."""
    parser = default_parser()
    parser.prog = "fws_server"
    options = parser.parse_args(arguments)
    if not options.filters:
        options.filters = DEFAULT_FILTERS
    with one_line_errors(parser.prog):
        build_server(options).serve_forever()
