"""The OAuth clients that may request tokens of their own (RFC 6749 §4.4)."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..settings import each_once
from .claims import check_grant, scope_text, subject_of_client
from .store import digest

_PREFIX = "sha256:"
_UNKNOWN = _PREFIX + "0" * 64
_HASH = re.compile(_PREFIX + "[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class TokenClient:
    """An OAuth client, and the groups and the scope that its tokens may have."""

    client_id: str
    groups: tuple[str, ...] = ()
    scope: str = ""


class TokenClients:
    """The clients of a server, from a JSON file: `{ID: {"secret": HASH, "groups": [], "scope": ""}}`.

    HASH is `sha256:` and the hash of a secret of `new_secret`, whose 256 random bits need no
    slower hash.
    """  # noqa: E501 - a line of JSON

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], source: str = "clients") -> None:
        self._hashes: dict[str, str] = {}
        self._clients: dict[str, TokenClient] = {}
        for client_id, entry in entries.items():
            where = f"{source}: {client_id!r}"
            self._hashes[client_id], self._clients[client_id] = _client(client_id, entry, where)

    @classmethod
    def from_file(cls, path: str | None) -> TokenClients:
        """Return the clients of a file, or none without one. Raises ConfigurationError."""
        if path is None:
            return cls({})
        try:
            content = json.loads(Path(path).read_text("utf-8"), object_pairs_hook=each_once)
        except OSError as error:
            raise ConfigurationError(f"can't read token_clients {path}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"token_clients {path} is not JSON: {error}") from None
        if not isinstance(content, dict) or not all(isinstance(e, dict) for e in content.values()):
            raise ConfigurationError(f"token_clients {path} must be an object of objects")
        return cls(content, f"token_clients {path}")

    def authenticate(self, client_id: str, secret: str) -> TokenClient | None:
        """Return the client with an id and a secret, or None, in the same time."""
        expected = self._hashes.get(client_id, _UNKNOWN)
        if hmac.compare_digest(expected, _PREFIX + digest(secret)):
            return self._clients.get(client_id)
        return None


def new_secret() -> tuple[str, str]:
    """Return a new client's secret, and its hash for the file."""
    secret = secrets.token_urlsafe(32)
    return secret, _PREFIX + digest(secret)


def _client(client_id: str, entry: Mapping[str, Any], where: str) -> tuple[str, TokenClient]:
    unknown = set(entry) - {"secret", "groups", "scope"}
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {min(unknown)!r}")
    hashed, groups, scope = entry.get("secret"), entry.get("groups", []), entry.get("scope", "")
    if not isinstance(hashed, str) or not _HASH.fullmatch(hashed):
        raise ConfigurationError(f"{where}: secret must be a hash, as `flask fws client` prints it")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise ConfigurationError(f"{where}: groups must be a list of texts")
    if not isinstance(scope, str):
        raise ConfigurationError(f"{where}: scope must be a text")
    try:
        check_grant(subject_of_client(client_id), groups, client=True)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return hashed.lower(), TokenClient(client_id, tuple(groups), scope_text(scope))
