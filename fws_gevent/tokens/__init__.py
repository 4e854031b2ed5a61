"""Tokens: JSON Web Tokens (RFC 7519), refresh tokens and tickets; their issue and revocation.

It may import `settings`, `protocol`, `clock` and `errors`, and PyJWT. Begin with `service.py`;
`decoding.py` checks a token.
"""

from .claims import Claims
from .service import Tokens

__all__ = ["Claims", "Tokens"]
