"""The keys that sign and verify tokens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from ..errors import ConfigurationError
from ..settings import Settings

MIN_SECRET = 32
"""Bytes of an HS256 secret, as many as its hash has (RFC 7518 §3.2)."""

MIN_RSA = 2048
"""Bits of an RSA key (RFC 7518 §3.3)."""

DEFAULT_KID = "default"


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key that verifies signatures, and the key that signs, where it is known here."""

    kid: str
    verifying: Any
    signing: Any = None


class KeyRing:
    """The keys of one algorithm, of which the first signs; keys are rotated by adding one."""

    def __init__(self, algorithm: str, keys: Mapping[str, Key], lasting: bool = True) -> None:
        self.algorithm = algorithm
        self.lasting = lasting
        """True if the keys are the same after a restart and in other processes."""
        self._keys = dict(keys)
        self.first = next(iter(self._keys.values()))

    def get(self, kid: str | None) -> Key | None:
        """Return the key with a `kid`, the first one for None; None for an unknown `kid`."""
        return self.first if kid is None else self._keys.get(kid)

    @classmethod
    def for_this_run(cls) -> KeyRing:
        """Return a ring with a random secret, which is lost with the process."""
        secret = secrets.token_bytes(MIN_SECRET)
        return cls("HS256", {"run": Key("run", secret, secret)}, lasting=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> KeyRing | None:
        """Return the ring of the settings, None without keys.

        Raises ConfigurationError for a file that can't be read, or without such a key.
        """
        keys: dict[str, Key] = {}
        algorithm = settings.signing_algorithm
        if settings.signing_key is not None:
            if algorithm != "HS256":
                raise ConfigurationError(
                    f"signing_key is a secret for HS256; give {algorithm} a signing_key_files"
                )
            try:
                secret = settings.signing_key.encode()
            except UnicodeEncodeError:
                raise ConfigurationError("signing_key: the secret is not UTF-8") from None
            keys[DEFAULT_KID] = _secret(DEFAULT_KID, secret, "signing_key")
        for each in settings.signing_key_files:
            kid, _, path = each.partition("=")
            if kid in keys:
                raise ConfigurationError(f"signing_key_files: {kid} is repeated")
            keys[kid] = _from_file(algorithm, kid, path)
        return cls(algorithm, keys) if keys else None


def _from_file(algorithm: str, kid: str, path: str) -> Key:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"can't read signing key {path}: {error.strerror}") from None
    if algorithm == "HS256":
        return _secret(kid, content.strip(), path)
    try:
        kind = jwt.get_algorithm_by_name(algorithm)
    except NotImplementedError:
        raise ConfigurationError(f"{algorithm} needs the package cryptography") from None
    try:
        found: Any = kind.prepare_key(content)
    except Exception:  # noqa: BLE001 - cryptography, which may be absent, has errors of its own
        raise ConfigurationError(f"{path} is not a PEM key for {algorithm}") from None
    if algorithm == "RS256" and found.key_size < MIN_RSA:
        raise ConfigurationError(f"{path}: an RSA key needs {MIN_RSA} bits or more")
    if algorithm == "ES256" and found.curve.name != "secp256r1":
        raise ConfigurationError(f"{path}: ES256 needs a key on the curve P-256")
    if algorithm == "EdDSA" and found.__class__.__name__.startswith("Ed448"):
        raise ConfigurationError(f"{path}: EdDSA needs an Ed25519 key")
    if hasattr(found, "public_key"):
        return Key(kid, found.public_key(), found)
    return Key(kid, found)


def _secret(kid: str, secret: bytes, source: str) -> Key:
    if len(secret) < MIN_SECRET:
        raise ConfigurationError(f"{source}: a secret for HS256 has {MIN_SECRET} bytes or more")
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:
        wrong = "this is a key of another kind (PEM, SSH, JWK), not a secret for HS256"
        raise ConfigurationError(f"{source}: {wrong}") from None
    return Key(kid, secret, secret)
