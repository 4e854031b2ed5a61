"""`flask fws …`: serve a Flask application with its WebSockets, and control a running server."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn

import click
from flask import Flask, current_app
from flask.cli import AppGroup, ScriptInfo, pass_script_info
from werkzeug.security import generate_password_hash

from ..errors import FwsError
from ..extension import FilteredWebSocket, extension_of
from ..protocol.addresses import is_loopback
from ..protocol.names import checked_group
from ..settings import Settings
from ..startup.node import settle_keys
from ..tokens.claims import check_grant, subject_of_client
from ..tokens.clients import new_secret
from ..wsgi.listener import check_listening
from .running_server import ask

fws = AppGroup(
    "fws", help="WebSockets: serve the application, issue tokens, control a running server."
)

_url = click.option(
    "--url", help="Address of the running server. Default: http://HOST:PORT of the settings."
)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Print an error of this package in one line, and exit with status 2."""
    try:
        yield
    except (FwsError, ValueError) as error:
        _fail(str(error))


def _fail(why: str) -> NoReturn:
    # The reason may contain words of a server.
    line = "".join(letter if letter.isprintable() else " " for letter in why)
    click.echo(f"flask fws: error: {line}", err=True)
    raise SystemExit(2)


def _extension() -> FilteredWebSocket:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - Flask's documented way
    found = extension_of(app)
    if found is None:
        _fail(f"{app.name} has no WebSockets; add FilteredWebSocket(app)")
    return found


@fws.command(
    with_appcontext=False,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_script_info
def run(info: ScriptInfo, arguments: tuple[str, ...]) -> None:
    """Serve the application. Takes the flags of fws_server."""
    name = info.app_import_path or os.environ.get("FLASK_APP") or _found_here()
    # A new interpreter: gevent has to patch before anything else is imported.
    os.execv(  # noqa: S606 - our own interpreter and module
        sys.executable, [sys.executable, "-m", "fws_gevent", "--app", name, *arguments]
    )


def _found_here() -> str:
    for name in ("wsgi", "app"):
        if os.path.isfile(f"{name}.py"):  # noqa: PTH113 - relative to here, as Flask looks
            return name
    _fail("no application is named: run flask --app MODULE:NAME fws run")


@fws.command()
@click.argument("subject")
@click.option(
    "--group", "groups", multiple=True, help="Group, or pattern, that it may join. May be repeated."
)
@click.option("--scope", default="", help="Scopes of the token, such as: status publish")
@click.option("--ttl", type=float, help="Seconds for which it is valid.")
def token(subject: str, groups: tuple[str, ...], scope: str, ttl: float | None) -> None:
    """Print a token for SUBJECT."""
    with _in_one_line():
        click.echo(_extension().issue_token(subject, groups, scope, ttl))


@fws.command()
@click.option("--subject", help="Revoke all tokens that this subject has so far.")
@click.option("--jti", help="Revoke the token with this jti.")
@_url
def revoke(subject: str | None, jti: str | None, url: str | None) -> None:
    """Revoke tokens at a running server.

    Without --subject and --jti one token is read from standard input.
    """
    if subject is not None and jti is not None:
        _fail("--subject and --jti exclude each other: give one")
    if subject is not None:
        form = {"subject": subject}
    elif jti is not None:
        form = {"jti": jti}
    else:
        form = {"token": sys.stdin.read().strip()}
    _ask(url, "revoke", "revoke", form)
    click.echo("revoked")


@fws.command()
@click.argument("data")
@click.option("--group", help="Group that gets DATA. Default: all clients.")
@_url
def publish(data: str, group: str | None, url: str | None) -> None:
    """Send DATA to the clients of a running server.

    It goes over the Redis of the settings, or without one, or with --url, over HTTP.
    """
    with _in_one_line():
        extension = _extension()
        if url is None and extension.server.broker.shared:
            extension.broadcast(data, group)
            click.echo("sent")
            return
        form = {"data": data} if group is None else {"data": data, "group": checked_group(group)}
    _ask(url, "publish", "publish", form)
    click.echo("sent")


@fws.command()
@click.option("--json", "as_json", is_flag=True, help="Print all values as JSON.")
@_url
def status(as_json: bool, url: str | None) -> None:
    """Show the state of a running server."""
    found = _ask(url, "status?format=json", "status")
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    rates = found["rates"]
    for node in found["nodes"]:
        click.echo(f"{node['name']}: {node['state']} for {node['uptime']:.0f} s, "
                   f"{node['connections']} connections")  # fmt: skip
    click.echo(f"auth: {found['auth']}")
    click.echo(f"connections: {found['connections']['now']} now, "
               f"{found['connections']['opened']} in all")  # fmt: skip
    click.echo(f"messages: {rates['messages_in']:g}/s in, {rates['messages_out']:g}/s out")
    for chain in found["chains"]:
        for each in chain["filters"]:
            click.echo(f"{chain['name']}: {each['name']}: {each['calls']} calls, "
                       f"{each['errors']} errors, {each['stops']} stops")  # fmt: skip
    for warning in found["warnings"]:
        click.echo(f"warning: {warning}")


@fws.command(with_appcontext=False)
@pass_script_info
def check(info: ScriptInfo) -> None:
    """Check the settings, and print them with the chains."""
    with _in_one_line():
        app = info.load_app()
        with app.app_context():
            node = _extension().server
        check_listening(node.settings)
        if not is_loopback(node.settings.host):
            settle_keys(node, alone=False)
        node.events.freeze_chains()
    if node.auth and node.tokens.keys is None:
        click.echo("warning: no signing key, so this starts as one process on loopback alone")
    for name, chain in node.events.chains.items():
        filters = (f"{each.__module__}.{each.__name__}" for each in chain.filters)
        click.echo(f"chain {name}: {' > '.join(filters) or '-'}")
    for line in _shown(node.settings):
        click.echo(line)


def _shown(settings: Settings) -> Iterator[str]:
    for each in fields(Settings):
        value = getattr(settings, each.name)
        if each.metadata["secret"] and value is not None:
            value = "(hidden)"
        elif isinstance(value, tuple):
            value = ",".join(value)
        yield f"FWS_{each.name.upper()}={'' if value is None else value}"


@fws.command("hash", with_appcontext=False)
def hash_password() -> None:
    """Print the hash of a password for FWS_ADMIN_PASSWORD."""
    stdin = sys.stdin
    if stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = stdin.readline().rstrip("\n")
    if not password:
        _fail("the password is empty: enter one")
    click.echo(generate_password_hash(password))


@fws.command(with_appcontext=False)
@click.argument("client_id")
@click.option(
    "--group",
    "groups",
    multiple=True,
    help="Group, or pattern, that its tokens may join. May be repeated.",
)
@click.option("--scope", default="", help="Scopes that its tokens may have.")
def client(client_id: str, groups: tuple[str, ...], scope: str) -> None:
    """Create a client that may request tokens.

    Prints its secret, and its entry for the file of FWS_TOKEN_CLIENTS.
    """
    with _in_one_line():
        check_grant(subject_of_client(client_id), groups, client=True)
    secret, hashed = new_secret()
    entry = {"secret": hashed, "groups": list(groups), "scope": scope}
    click.echo(f"secret (shown once): {secret}", err=True)
    click.echo(json.dumps({client_id: entry}))


def _ask(url: str | None, path: str, scope: str, form: dict[str, str] | None = None) -> Any:
    """Return the answer of a running server; exit with its error in one line."""
    with _in_one_line():
        return ask(_extension(), url, path, scope, form)
