"""The refresh token that takes another one's place, found again where its answer was lost.

A successor is made from the token that is presented and a random salt, which the store keeps for
the grace of a retry. So a client that repeats a request gets the same answer, and nothing is kept
that could be presented: neither the salt alone nor the token alone makes the successor.
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
    """Return the refresh token that takes the place of `token`: 256 bits, as URLs have them."""
    key = token.encode("utf-8", "surrogatepass")
    made = hmac.digest(key, _PURPOSE + salt.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
