"""Answers for programs: JSON, and errors in the form of the OAuth RFCs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from flask import Response, jsonify
from werkzeug.exceptions import HTTPException

from ..node.rates import retry_after
from .service import service

REALM = 'realm="fws"'


class Refused(HTTPException):
    """An answer that ends the request. It is raised."""

    def __init__(self, answer: Response) -> None:
        super().__init__(response=answer)


def answer(content: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """Return a JSON answer that caches don't store; `_` in header names stands for `-`."""
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
    """End the request of a client that is not authenticated (RFC 6749 §5.2)."""
    refuse(401, "invalid_client", description, WWW_Authenticate=f"Basic {REALM}")


def refuse_bearer(status: int, error: str, description: str) -> NoReturn:
    """End the request because its token is not valid or lacks a right (RFC 6750 §3)."""
    challenge = f'Bearer {REALM}, error="{error}", error_description="{description}"'
    refuse(status, error, description, WWW_Authenticate=challenge)


def refuse_anonymous() -> NoReturn:
    """End a request without any credentials (RFC 6750 §3.1: without an error code)."""
    refuse(401, "invalid_token", "a token is needed", WWW_Authenticate=f"Bearer {REALM}")


def unavailable(description: str) -> NoReturn:
    """End the request: the server lacks a key, or a place to remember something."""
    refuse(503, "temporarily_unavailable", description)


def limit_rate(address: str) -> None:
    """End the request if its client has asked for tokens too often."""
    refuse_early(service().token_limiter.wait(address))


def refuse_early(seconds: float) -> None:
    """End the request if its client must wait for some seconds."""
    if seconds:
        when = str(retry_after(seconds))
        refuse(429, "slow_down", "too many requests; see Retry-After", Retry_After=when)
