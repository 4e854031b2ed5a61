"""Tokens: JSON Web Tokens that say who a connection is and what it may do."""

from .claims import Claims
from .service import Tokens

__all__ = ["Claims", "Tokens"]
