"""What a value of a setting may be: text in, checked number or word out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Parse = Callable[[str], Any]
"""Converts the text of a value. Raises ValueError, which says what it must be."""

SHORTEST_ANSWER = 0.01
"""Seconds in which another program can answer at all."""


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


def answer_time(text: str) -> float:
    """Return a number of seconds for another program to answer in."""
    number = seconds(text)
    if number < SHORTEST_ANSWER:
        raise ValueError(f"must be {SHORTEST_ANSWER:g} seconds or more")
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


def one_of(*choices: str) -> Parse:
    """One of some words, in whatever case."""
    known = {choice.lower(): choice for choice in choices}

    def parse(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return known[text.lower()]

    return parse
