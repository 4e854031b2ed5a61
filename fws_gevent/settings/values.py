"""What a value of a setting may be: text in, checked value out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..errors import GroupNameInvalid
from ..protocol.forwarded import parse_networks
from ..protocol.names import checked_group
from ..protocol.origin import normal_origin

Parse = Callable[[str], Any]
"""Converts the text of a value. Raises ValueError, which says what it must be."""

_HASH = re.compile(r"(scrypt:\d+:\d+:\d+|pbkdf2:sha\d+:\d+)\$[^$]+\$[0-9a-f]{32,}")


def whole(minimum: int, maximum: int = 1 << 62) -> Parse:
    """A whole number within bounds."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not minimum <= number <= maximum:
            raise ValueError(f"must be {minimum} to {maximum}" if maximum < 1 << 62
                             else f"must be {minimum} or more")  # fmt: skip
        return number

    return parse


def seconds(text: str) -> float:
    """A number of seconds; 0 is one."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 <= number < 1e9:
        raise ValueError("must be a number of seconds, 0 or more")
    return number


def rate(text: str) -> float:
    """A number, 0 or more, of something per second, or of times."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 <= number < 1e12:
        raise ValueError("must be a number, 0 or more")
    return number


def positive(text: str) -> float:
    """A number of seconds, more than 0."""
    number = seconds(text)
    if not number:
        raise ValueError("must be more than 0 seconds")
    return number


def lifetime(text: str) -> float:
    """A number of seconds that something lives, 1 at least."""
    number = seconds(text)
    if number < 1:
        raise ValueError("must be 1 second or more")
    return number


def kept_time(text: str) -> float:
    """A number of seconds that a stream is kept: nodes renew it every few seconds at most."""
    number = seconds(text)
    if number < 30:
        raise ValueError("must be 30 seconds or more")
    return number


def group(text: str) -> str:
    """Return the name of a group."""
    try:
        return checked_group(text)
    except GroupNameInvalid as error:
        raise ValueError(f"must be the name of a group: {error}") from None


def one_of(*choices: str) -> Parse:
    """One of some words, in whatever case."""
    known = {choice.lower(): choice for choice in choices}

    def parse(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return known[text.lower()]

    return parse


def origin(text: str) -> str:
    """An Origin, "null" or "*"."""
    if text not in ("*", "null") and "://" not in text:
        raise ValueError("must look like https://app.example.com, or be null or *")
    return normal_origin(text)


def proxy(text: str) -> str:
    """An address, a network or "unix"."""
    try:
        parse_networks([text])
    except ValueError:
        raise ValueError('must be an address, a network such as 10.0.0.0/8, or "unix"') from None
    return text


def url_path(text: str) -> str:
    """The path of a URL."""
    if not text.startswith("/") or "?" in text or "#" in text:
        raise ValueError("must be a path such as /ws")
    return text


def key_file(text: str) -> str:
    """A key's name and its file."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ValueError("must look like KID=FILE, such as 2026=keys/2026.pem")
    return text


def password_hash(text: str) -> str:
    """A password as werkzeug hashes it."""
    if not _HASH.fullmatch(text):
        raise ValueError("must be a hash, as `flask fws hash` prints it")
    return text
