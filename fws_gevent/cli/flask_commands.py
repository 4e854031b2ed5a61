"""`flask fws …`: run a Flask application with its WebSockets, and work with a running one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from http.client import HTTPException
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import click
from flask import Flask, current_app
from flask.cli import AppGroup, ScriptInfo, pass_script_info
from werkzeug.security import generate_password_hash

from ..errors import FwsError, NotIssued
from ..extension import FilteredWebSocket, extension_of
from ..protocol.addresses import in_url, is_loopback, parse_address
from ..protocol.names import checked_group
from ..settings import Settings
from ..startup.node import settle_keys
from ..tokens.claims import ALL, check_grant, subject_of_client
from ..tokens.clients import new_secret
from ..wsgi.listener import check_listening

PATIENCE = 10
"""Seconds for a running server to answer."""

_SELF = subject_of_client("flask fws")

_REDIRECTS = (301, 302, 303, 307, 308)

fws = AppGroup("fws", help="WebSockets: run the application, issue tokens, look what it does.")

_url = click.option(
    "--url", help="The running server's address; http://HOST:PORT of the settings by default."
)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Turn an error of ours into one line on standard error and exit status 2."""
    try:
        yield
    except (FwsError, ValueError) as error:
        _fail(str(error))


def _fail(why: str) -> NoReturn:
    # A server's words may be a part of it.
    line = "".join(letter if letter.isprintable() else " " for letter in why)
    click.echo(f"flask fws: error: {line}", err=True)
    raise SystemExit(2)


def _extension() -> FilteredWebSocket:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - Flask's documented way
    found = extension_of(app)
    if found is None:
        _fail(f"{app.name} has no WebSockets; add FilteredWebSocket(app) to it")
    return found


@fws.command(
    with_appcontext=False,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_script_info
def run(info: ScriptInfo, arguments: tuple[str, ...]) -> None:
    """Serve the application with its WebSockets; takes the flags of fws_server."""
    name = info.app_import_path or os.environ.get("FLASK_APP") or _found_here()
    # A new interpreter: gevent has to patch before anything else is imported.
    os.execv(  # noqa: S606 - our own interpreter and module
        sys.executable, [sys.executable, "-m", "fws_gevent", "--app", name, *arguments]
    )


def _found_here() -> str:
    for name in ("wsgi", "app"):
        if os.path.isfile(f"{name}.py"):  # noqa: PTH113 - relative to here, as Flask looks
            return name
    _fail("which application? flask --app MODULE:NAME fws run")


@fws.command()
@click.argument("subject")
@click.option("--group", "groups", multiple=True, help="A group that may be joined, or a pattern.")
@click.option("--scope", default="", help="What else it is good for, such as: status publish")
@click.option("--ttl", type=float, help="Seconds that it is valid.")
def token(subject: str, groups: tuple[str, ...], scope: str, ttl: float | None) -> None:
    """Print a token for SUBJECT."""
    with _in_one_line():
        click.echo(_extension().issue_token(subject, groups, scope, ttl))


@fws.command()
@click.option("--subject", help="Everything that this subject has so far.")
@click.option("--jti", help="The token of this name.")
@_url
def revoke(subject: str | None, jti: str | None, url: str | None) -> None:
    """Revoke tokens at a running server; one token is read from standard input."""
    if subject is not None and jti is not None:
        _fail("--subject and --jti are two things: give one")
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
@click.option("--group", help="The group that gets it; everybody by default.")
@_url
def publish(data: str, group: str | None, url: str | None) -> None:
    """Send DATA to the clients of a running server: over its Redis, or over HTTP."""
    with _in_one_line():
        extension = _extension()
        if url is None and extension.server.storage_object.shared:
            extension.broadcast(data, group)
            click.echo("sent")
            return
        form = {"data": data} if group is None else {"data": data, "group": checked_group(group)}
    _ask(url, "publish", "publish", form)
    click.echo("sent")


@fws.command()
@click.option("--json", "as_json", is_flag=True, help="All there is, for programs.")
@_url
def status(as_json: bool, url: str | None) -> None:
    """Show what a running server does."""
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
        for link in chain["filters"]:
            click.echo(f"{chain['name']}: {link['name']}: {link['calls']} calls, "
                       f"{link['errors']} errors, {link['stops']} stops")  # fmt: skip
    for warning in found["warnings"]:
        click.echo(f"warning: {warning}")


@fws.command(with_appcontext=False)
@pass_script_info
def check(info: ScriptInfo) -> None:
    """Print the chains and settings that the application starts with; fail for a wrong one."""
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
        links = (f"{link.__module__}.{link.__name__}" for link in chain.filters)
        click.echo(f"chain {name}: {' > '.join(links) or '-'}")
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
    """Print the hash of a password, for FWS_ADMIN_PASSWORD."""
    stdin = sys.stdin
    if stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = stdin.readline().rstrip("\n")
    if not password:
        _fail("an empty password protects nothing")
    click.echo(generate_password_hash(password))


@fws.command(with_appcontext=False)
@click.argument("client_id")
@click.option("--group", "groups", multiple=True, help="A group that its tokens may join.")
@click.option("--scope", default="", help="What its tokens may be good for.")
def client(client_id: str, groups: tuple[str, ...], scope: str) -> None:
    """Make a client that may ask for tokens: its secret, and its entry for FWS_TOKEN_CLIENTS."""
    with _in_one_line():
        check_grant(subject_of_client(client_id), groups, client=True)
    secret, hashed = new_secret()
    entry = {"secret": hashed, "groups": list(groups), "scope": scope}
    click.echo(f"secret (shown once): {secret}", err=True)
    click.echo(json.dumps({client_id: entry}))


def _base(settings: Settings) -> str:
    """The URL of the server that settings describe, as this machine reaches it."""
    if settings.socket_path is not None:
        _fail("the server listens on a socket file: give --url, as the proxy before it has it")
    address = parse_address(settings.host)
    host = settings.host
    if address is not None and address.is_unspecified:  # all of this machine's addresses
        host = "127.0.0.1" if address.version == 4 else "::1"
    scheme = "http" if settings.cert is None else "https"
    return f"{scheme}://{in_url(host)}:{settings.port}"


def _checked(url: str) -> str:
    """Return the URL of a running server without slashes behind it; fail for any other text.

    It is not repeated, for there may be a password in it.
    """
    try:
        parts = urlsplit(url)
        at = parts.port is None or parts.port > 0  # what is above 65535 raises
    except ValueError:
        at = False
    if (
        not (at and parts.hostname and url.isprintable())
        or parts.scheme not in ("http", "https")
        or set(" @?#") & set(url)
    ):
        _fail("--url must look like http://127.0.0.1:9000 or https://app.example.com/path, "
              "without a user, password or query")  # fmt: skip
    return url.rstrip("/")


def _ask(url: str | None, path: str, scope: str, form: dict[str, str] | None = None) -> Any:
    """What a running server answers, asked with a token of our own making."""
    extension = _extension()
    settings = extension.server.settings
    base = _base(settings) if url is None else _checked(url)
    try:
        made = extension.tokens.issue(_SELF, [ALL], scope, 60, client=True)
    except NotIssued as error:
        _fail(f"{error} to what the server at {base} has")
    # The address of the settings is this machine's own, and needs no proxy.
    direct = [ProxyHandler({})] if url is None else []
    try:
        request = Request(  # noqa: S310 - the operator's own URL
            f"{base}/fws/{path}",
            None if form is None else urlencode(form).encode(),
            {"Authorization": f"Bearer {made}"},
        )
        with build_opener(_NoRedirects, *direct).open(request, timeout=PATIENCE) as answer:
            return json.load(answer)
    except HTTPError as error:
        if error.code in _REDIRECTS:
            where = error.headers.get("Location")
            _fail(f"{base} answers {error.code}, for {where}; give --url the address it has now")
        _fail(f"{base} answers {error.code}: {_reason(error)}")
    except URLError as error:
        _fail(f"can't reach {base}: {error.reason}; see --url")
    except (OSError, ValueError, HTTPException) as error:
        _fail(f"{base} doesn't answer as expected: {error}; see --url")


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: the token that goes along is for the address that was given."""

    def redirect_request(self, *_args: Any) -> None:
        """Return None, which leaves the answer as it is: an error."""


def _reason(error: HTTPError) -> str:
    try:
        content = json.load(error)
    except ValueError:
        return str(error.reason)
    told = content.get("error_description") if isinstance(content, dict) else None
    return str(told or error.reason)
