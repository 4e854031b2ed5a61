"""Keys, tokens of other applications, and forged tokens, for the tests of tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from fws_gevent.clock import SYSTEM_CLOCK, Clock
from fws_gevent.errors import TokenInvalid
from fws_gevent.settings import Settings
from fws_gevent.tokens.keys import KeyRing
from fws_gevent.tokens.service import Tokens

SECRET = "0123456789abcdef0123456789abcdef"
OTHER_SECRET = "another secret of 32 bytes length"

MAKERS: dict[str, Callable[[], Any]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "other rsa": lambda: rsa.generate_private_key(65537, 2048),
    "short rsa": lambda: rsa.generate_private_key(65537, 1024),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}

KEYS_OF = {"RS256": "rsa", "ES256": "p256", "EdDSA": "ed25519"}
"""A key for each asymmetric algorithm."""


@cache
def private(kind: str) -> Any:
    """Return a private key, the same for all tests."""
    return MAKERS[kind]()


def private_pem(kind: str, password: bytes | None = None) -> bytes:
    plain = serialization.NoEncryption()
    locked = serialization.BestAvailableEncryption(password) if password else plain
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    content: bytes = private(kind).private_bytes(pem, pkcs8, locked)
    return content


def public_pem(kind: str) -> bytes:
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    content: bytes = private(kind).public_key().public_bytes(serialization.Encoding.PEM, info)
    return content


def service(clock: Clock = SYSTEM_CLOCK, **settings: Any) -> Tokens:
    """Return tokens with these settings, signed with SECRET unless they say otherwise."""
    if "signing_key_files" not in settings:
        settings = {"signing_key": SECRET, **settings}
    given = Settings(**settings)
    return Tokens(given, KeyRing.from_settings(given), clock=clock)


def service_with(folder: Path, algorithm: str, **files: bytes) -> Tokens:
    """Return tokens whose keys are files with these contents, by their kid."""
    return service(signing_algorithm=algorithm, signing_key_files=written(folder, **files))


def written(folder: Path, **files: bytes) -> tuple[str, ...]:
    """Write files with these contents; return them as `signing_key_files` has them."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return tuple(f"{name}={folder / name}" for name in files)


def payload(**changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token, with changes; a claim that is `...` is left out."""
    now = int(time.time())
    claims = {"iss": "fws", "aud": "fws", "sub": "ada", "iat": now, "exp": now + 60, "jti": "id",
              "groups": ["room:*"], "scope": "publish"}  # fmt: skip
    return {name: value for name, value in (claims | changes).items() if value is not ...}


def issued_elsewhere(
    claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **header: Any
) -> str:
    """Return a token as an application with PyJWT alone issues it."""
    return jwt.encode(claims, key, algorithm, header)


def by_hand(header: Any, claims: Any, secret: bytes = SECRET.encode()) -> str:
    """Return a token of any header and claims, signed with HS256."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode()
             for part in (header, claims)]  # fmt: skip
    signed = b".".join(base64url(part) for part in parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + base64url(signature)).decode()


def base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def refusal(tokens: Tokens, token: str) -> str:
    """Return the reason for which a token is refused, which shows neither it nor the secret."""
    before = tokens.counts["refused"]
    with pytest.raises(TokenInvalid) as caught:
        tokens.verify(token)
    assert tokens.counts["refused"] == before + 1
    told = "".join(traceback.format_exception(caught.value))
    for part in (token, *token.split("."), SECRET, OTHER_SECRET):
        assert len(part) < 10 or part not in told
    return str(caught.value)
