"""The check of a JSON Web Token (RFC 7519): its signature, its claims and their dates."""

from __future__ import annotations

import re
from typing import Any

import jwt

from ..errors import TokenInvalid
from ..settings import Settings
from .claims import Claims, checked_claims
from .keys import KeyRing

MAX_TOKEN = 8192
"""Characters of a token; a longer one is refused unread."""

# PyJWT skips characters that are not base64, which RFC 7515 §5.2 forbids.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")

# PyJWT compares dates with the system's clock, so they are checked below.
_OPTIONS: Any = {
    "require": ["iss", "aud", "sub", "iat", "exp", "jti"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token has another issuer"),
    (jwt.InvalidSignatureError, "the token's signature doesn't fit"),
    (jwt.InvalidAlgorithmError, "the token is signed with another algorithm"),
    (jwt.exceptions.InvalidSubjectError, "claim sub must be a text"),
    (jwt.exceptions.InvalidJTIError, "claim jti must be a text"),
    (jwt.DecodeError, "the token is malformed"),
    (RecursionError, "the token is malformed"),  # PyJWT before 2.15, for deeply nested JSON
)


def decode(token: str, keys: KeyRing | None, settings: Settings, now: float) -> Claims:
    """Return the claims of a token that is valid at `now`; revocation is not checked here.

    The algorithm is the configured one, not that of the token's header. Raises TokenInvalid.
    """
    if keys is None:
        raise TokenInvalid("there is no key to check tokens with")
    if len(token) > MAX_TOKEN:
        raise TokenInvalid(f"the token has over {MAX_TOKEN} characters")
    if not _COMPACT.fullmatch(token):
        raise TokenInvalid("the token is malformed")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenInvalid("the token is malformed") from None
    key = keys.get(kid)
    if key is None:
        raise TokenInvalid("the token names a key that is not known here")
    try:
        payload = jwt.decode(
            token,
            key.verifying,
            [keys.algorithm],
            audience=settings.token_audience,
            issuer=settings.token_issuer,
            options=_OPTIONS,
        )
    except jwt.MissingRequiredClaimError as error:
        raise TokenInvalid(f"the token has no claim {error.claim}") from None
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
        reasons = (text for kind, text in _REASONS if isinstance(error, kind))
        raise TokenInvalid(next(reasons, "the token is invalid")) from None
    claims = checked_claims(payload)
    _check_dates(claims, now, settings.token_leeway)
    return claims


def _check_dates(claims: Claims, now: float, leeway: float) -> None:
    """Raise TokenInvalid unless a token is valid at `now` (RFC 7519 §4.1.4 to §4.1.6)."""
    if claims["exp"] + leeway <= now:
        raise TokenInvalid("the token has expired")
    # A token may be issued for the next second, see `Tokens._issued_at`.
    if claims["iat"] > now + leeway + 1 or claims.get("nbf", now) > now + leeway:
        raise TokenInvalid("the token is not valid yet")
