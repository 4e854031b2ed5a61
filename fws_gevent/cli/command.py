"""The command `fws_server`, which is also `python -m fws_gevent`."""

from __future__ import annotations

import argparse
import faulthandler
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from wsgiref.types import WSGIApplication

import gevent
from flask import Flask
from flask.cli import NoAppException, ScriptInfo, prepare_import

from ..errors import ConfigurationError, FwsError
from ..extension import extension_of
from ..server import FilteredWebSocketServer, build_server, default_parser
from ..settings.texts import UNIX_PREFIX
from ..startup.filters import DEFAULT_FILTERS, importable_from_here
from ..wsgi.listener import check_listening
from .reload import Reload

PROGRAM = "fws_server"


@contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """Print an error of this package in one line, and exit with status 2."""
    try:
        yield
    except FwsError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command: serve until SIGTERM or Ctrl-C, or check the settings."""
    faulthandler.register(signal.SIGUSR1)  # prints all stacks, even when the loop is stuck
    with one_line_errors(PROGRAM):
        app = _app_in(arguments)
        parser = default_parser(app)
        parser.prog = PROGRAM
        parser.usage = f"{PROGRAM} [options]"
        parser.description = (
            "Serve WebSockets with chains of filters. Without -f and --app, messages are printed "
            "and sent to all other clients."
        )
        parser.add_argument(
            "--app",
            metavar="MODULE:NAME",
            help="Flask application to serve, as in flask --app",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="check the settings, files and filters, and exit",
        )
        options = parser.parse_args(arguments)
        if app is None and not options.filters:
            options.filters = DEFAULT_FILTERS
        if options.check:
            check(options, app)
            return
        serve(build_server(options, application=app))


def check(options: argparse.Namespace, app: WSGIApplication | None) -> None:
    """Check the settings by a server that never listens. Raises ConfigurationError."""
    host = str(options.host)
    if host.startswith(UNIX_PREFIX):
        options.host = "127.0.0.1"  # a socket file would be created at once
    server = build_server(options, application=app)
    check_listening(replace(server.settings, host=host))
    print(f"{PROGRAM}: the settings are valid")


def serve(server: FilteredWebSocketServer) -> None:
    """Serve until the server stops; after SIGHUP, reload the program."""
    reload = Reload(server)
    watchers = [
        gevent.signal_handler(number, do)
        for number, do in (
            (signal.SIGHUP, reload.request),
            (signal.SIGTERM, reload.cancel),
            (signal.SIGINT, reload.cancel),
        )
    ]
    try:
        server.serve_forever()
        reload.execute()  # SIGHUP is still handled; by default it would end the process
    finally:
        for watcher in watchers:
            watcher.cancel()


def _app_in(arguments: Sequence[str] | None) -> WSGIApplication | None:
    """Return the application of --app, a Flask application or middleware around one, or None.

    It is found before the other flags are parsed, which override its config. Raises
    ConfigurationError.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--app", nargs="?")
    name: str | None = first.parse_known_args(arguments)[0].app
    if name is None:
        return None
    importable_from_here()
    try:
        app: WSGIApplication = ScriptInfo(app_import_path=name).load_app()
    except NoAppException as error:
        wrapped = _named(name)
        if wrapped is None:
            why = " ".join(str(error).split())
            raise ConfigurationError(f"--app {name}: {why}") from None
        app = wrapped
    if extension_of(app) is None:
        called = app.name if isinstance(app, Flask) else "it"
        raise ConfigurationError(
            f"--app {name}: {called} has no WebSockets; add FilteredWebSocket(app)"
        )
    return app


def _named(name: str) -> WSGIApplication | None:
    """Return the callable that MODULE:NAME names in a module that Flask has imported, or None."""
    path, _, attribute = name.partition(":")
    found = getattr(sys.modules.get(prepare_import(path)), attribute, None)
    return found if callable(found) else None
