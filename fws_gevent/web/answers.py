"""Answers for programs: JSON, and errors in the words of the OAuth RFCs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from flask import Response, jsonify
from werkzeug.exceptions import HTTPException

from ..node.rates import retry_after
from .service import service

REALM = 'realm="fws"'


class Refused(HTTPException):
    """An answer that ends a request: raised where the reason is found."""

    def __init__(self, answer: Response) -> None:
        super().__init__(response=answer)


def answer(content: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """A JSON answer that no cache keeps; `_` in the names of headers stands for `-`."""
    response = jsonify(content)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def refuse(status: int, error: str, description: str, **headers: str) -> NoReturn:
    """End the request with an error (RFC 6749 §5.2)."""
    raise Refused(answer({"error": error, "error_description": description}, status, **headers))


def refuse_client(description: str) -> NoReturn:
    """End the request of a client that didn't prove who it is (RFC 6749 §5.2)."""
    refuse(401, "invalid_client", description, WWW_Authenticate=f"Basic {REALM}")


def refuse_bearer(status: int, error: str, description: str) -> NoReturn:
    """End the request for a token that is missing or not good enough (RFC 6750 §3)."""
    challenge = f'Bearer {REALM}, error="{error}", error_description="{description}"'
    refuse(status, error, description, WWW_Authenticate=challenge)


def refuse_nobody() -> NoReturn:
    """End a request that says nothing of who sends it (RFC 6750 §3.1: no error code then)."""
    refuse(401, "invalid_token", "a token is needed", WWW_Authenticate=f"Bearer {REALM}")


def unavailable(description: str) -> NoReturn:
    """End the request: what it asks for can't be done here (no key, no place to remember it)."""
    refuse(503, "temporarily_unavailable", description)


def bound(address: str) -> None:
    """End the request if its client asked for tokens too often."""
    refuse_for(service().token_limiter.wait(address))


def refuse_for(seconds: float) -> None:
    """End the request if its client is to wait for some seconds."""
    if seconds:
        when = str(retry_after(seconds))
        refuse(429, "slow_down", "too many requests; see Retry-After", Retry_After=when)
