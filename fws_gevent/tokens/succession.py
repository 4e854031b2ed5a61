"""The successor of a refresh token, which is the same for a retry (RFC 6749 §6).

A successor is derived from the presented token and a random salt, which the store keeps for the
grace of a retry. So a client whose answer was lost gets the same one again, and the store has no
usable token: the successor needs both the salt and the token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_PURPOSE = b"fws refresh successor "


def new_salt() -> str:
    """Return a salt for the first use of a refresh token: 128 random bits."""
    return secrets.token_hex(16)


def successor_of(token: str, salt: str) -> str:
    """Return the successor of a refresh token: 256 bits in the base64 of URLs."""
    key = token.encode("utf-8", "surrogatepass")
    made = hmac.digest(key, _PURPOSE + salt.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
