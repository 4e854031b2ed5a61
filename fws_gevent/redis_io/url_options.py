"""The options that a Redis URL may have.

Other options of redis-py are refused. This package relies on bytes of RESP2, and bounds each wait
by `ANSWER_TIME` and by pings; `protocol`, `decode_responses` or `socket_timeout` would break that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True,
             "false": False, "no": False, "off": False, "0": False}  # fmt: skip


def number(text: str) -> int:
    """Return a number, 0 or more. Raises ValueError."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("must be a number")
    return int(text)


def _text(text: str) -> str:
    return text


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("must be true or false")
    return _BOOLEANS[text.lower()]


OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "db": number,
    "username": _text,
    "password": _text,
    "client_name": _text,
    "socket_keepalive": _yes_or_no,
    "ssl_ca_certs": _text,
    "ssl_ca_path": _text,
    "ssl_ca_data": _text,
    "ssl_certfile": _text,
    "ssl_keyfile": _text,
    "ssl_password": _text,
    "ssl_cert_reqs": _text,
    "ssl_check_hostname": _yes_or_no,
    "ssl_ciphers": _text,
    "ssl_min_version": number,
    "ssl_validate_ocsp": _yes_or_no,
    "ssl_validate_ocsp_stapled": _yes_or_no,
    "ssl_ocsp_expected_cert": _text,
}
"""The options of redis-py's connections that a URL may set, with their converters."""

SENTINEL_OPTIONS: Mapping[str, str] = {
    "sentinel_username": "username",
    "sentinel_password": "password",
}
"""The options for the Sentinels themselves, with the names that redis-py has for them."""
