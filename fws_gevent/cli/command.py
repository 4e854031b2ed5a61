"""The command `fws_server`, also `python -m fws_gevent`."""

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
    """Turn an error of ours into one line on standard error and exit status 2."""
    try:
        yield
    except FwsError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says, until SIGTERM or Ctrl-C."""
    faulthandler.register(signal.SIGUSR1)  # says where it is, even when the loop is stuck
    with one_line_errors(PROGRAM):
        app = _app_in(arguments)
        parser = default_parser(app)
        parser.prog = PROGRAM
        parser.add_argument(
            "--app",
            metavar="MODULE:NAME",
            help="Flask application to serve, as flask --app names it",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="say whether the settings, files and filters are good, and end",
        )
        options = parser.parse_args(arguments)
        if app is None and not options.filters:
            options.filters = DEFAULT_FILTERS
        if options.check:
            check(options, app)
            return
        serve(build_server(options, application=app))


def check(options: argparse.Namespace, app: WSGIApplication | None) -> None:
    """Make a server that never listens. Raises ConfigurationError for what is wrong."""
    host = str(options.host)
    if host.startswith(UNIX_PREFIX):
        options.host = "127.0.0.1"  # a socket file would be made at once
    server = build_server(options, application=app)
    check_listening(replace(server.settings, host=host))
    print(f"{PROGRAM}: good")


def serve(server: FilteredWebSocketServer) -> None:
    """Serve until the end, or until SIGHUP, and then begin anew."""
    reload = Reload(server)
    watchers = [
        gevent.signal_handler(number, do)
        for number, do in (
            (signal.SIGHUP, reload.ask),
            (signal.SIGTERM, reload.end),
            (signal.SIGINT, reload.end),
        )
    ]
    try:
        server.serve_forever()
        reload.begin_anew()  # with SIGHUP still minded: by default it would end the process
    finally:
        for watcher in watchers:
            watcher.cancel()


def _app_in(arguments: Sequence[str] | None) -> WSGIApplication | None:
    """The application that --app names; its config comes before what the other flags say.

    A Flask application, or middleware around one. Raises ConfigurationError.
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
            f"--app {name}: {called} has no WebSockets; add FilteredWebSocket(app) to it"
        )
    return app


def _named(name: str) -> WSGIApplication | None:
    """What MODULE:NAME names in a module that Flask has imported, if it can be called."""
    path, _, attribute = name.partition(":")
    found = getattr(sys.modules.get(prepare_import(path)), attribute, None)
    return found if callable(found) else None
