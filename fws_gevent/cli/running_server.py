"""HTTP requests to a running server, with a token of its own key."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from ..errors import ConfigurationError, FwsError, NotIssued
from ..extension import FilteredWebSocket
from ..protocol.addresses import in_url, parse_address
from ..settings import Settings
from ..tokens.claims import ALL, subject_of_client

ANSWER_TIME = 10
"""Seconds within which the server must answer."""

TOKEN_TTL = 60
"""Seconds for which the token of a request is valid."""

_SELF = subject_of_client("flask fws")

_REDIRECTS = (301, 302, 303, 307, 308)


def ask(
    extension: FilteredWebSocket,
    url: str | None,
    path: str,
    scope: str,
    form: dict[str, str] | None = None,
) -> Any:
    """Return the JSON that a running server answers.

    Args:
        extension: Its settings have the key and, without `url`, the address of the server.
        url: The URL of the server; `path` is below its /fws/.
        path: The path of the request.
        scope: The scope of the token that is sent along.
        form: The fields of a POST request; without them it is a GET request.

    Raises:
        FwsError: The server can't be reached, or answers with an error or a redirect.
    """
    base = base_url(extension.server.settings) if url is None else checked_url(url)
    try:
        token = extension.tokens.issue(_SELF, [ALL], scope, TOKEN_TTL, client=True)
    except NotIssued as error:
        raise FwsError(f"{error}, the key of the server at {base}") from None
    request = Request(  # noqa: S310 - the operator's own URL
        f"{base}/fws/{path}",
        None if form is None else urlencode(form).encode(),
        {"Authorization": f"Bearer {token}"},
    )
    # The address of the settings is on this machine, and is reached without a proxy.
    direct = [ProxyHandler({})] if url is None else []
    try:
        with build_opener(_NoRedirects, *direct).open(request, timeout=ANSWER_TIME) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise FwsError(_refusal(base, error)) from None
    except URLError as error:
        raise FwsError(f"can't reach {base}: {error.reason}; see --url") from None
    except (OSError, ValueError, HTTPException) as error:
        raise FwsError(f"{base} doesn't answer as expected: {error}; see --url") from None


def base_url(settings: Settings) -> str:
    """Return the URL by which this machine reaches the server of some settings.

    Raises ConfigurationError if it listens on a socket file.
    """
    if settings.socket_path is not None:
        raise ConfigurationError(
            "the server listens on a socket file: give --url with the address of its proxy"
        )
    address = parse_address(settings.host)
    host = settings.host
    if address is not None and address.is_unspecified:  # all of this machine's addresses
        host = "127.0.0.1" if address.version == 4 else "::1"
    scheme = "http" if settings.cert is None else "https"
    return f"{scheme}://{in_url(host)}:{settings.port}"


def checked_url(url: str) -> str:
    """Return the URL of a server without its last slashes.

    Raises ConfigurationError for any other text, which it doesn't repeat: there may be a password
    in it.
    """
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0  # raises for a port above 65535
    except ValueError:
        has_port = False
    if (
        not (has_port and parts.hostname and url.isprintable())
        or parts.scheme not in ("http", "https")
        or set(" @?#") & set(url)
    ):
        raise ConfigurationError(
            "--url must look like http://127.0.0.1:9000 or https://app.example.com/path, "
            "without a user, password or query"
        )
    return url.rstrip("/")


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirects: the token is for the given address alone."""

    def redirect_request(self, *_args: Any) -> None:
        """Return None, by which the redirect stays an error."""


def _refusal(base: str, error: HTTPError) -> str:
    """Return the text for an answer that is a redirect or an error."""
    if error.code in _REDIRECTS:
        where = error.headers.get("Location")
        return f"{base} redirects to {where}: give that address with --url"
    try:
        content = json.load(error)
    except ValueError:
        content = None
    told = content.get("error_description") if isinstance(content, dict) else None
    return f"{base} answers {error.code}: {told or error.reason}"
