"""Conversions of the texts of numbers and words, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Parse = Callable[[str], Any]
"""Converts the text of a value. Raises ValueError, which says what the value must be."""

SHORTEST_ANSWER = 0.01
"""The least seconds in which another program can answer."""


def whole(minimum: int, maximum: int = 1 << 62) -> Parse:
    """Return the conversion of a whole number within bounds."""

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
    """Return a number of seconds, 0 or more."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 <= number < 1e9:
        raise ValueError("must be a number of seconds, 0 or more")
    return number


def rate(text: str) -> float:
    """Return a number, 0 or more: a rate per second, or a multiple."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 <= number < 1e12:
        raise ValueError("must be a number, 0 or more")
    return number


def positive(text: str) -> float:
    """Return a number of seconds above 0."""
    number = seconds(text)
    if not number:
        raise ValueError("must be more than 0 seconds")
    return number


def answer_time(text: str) -> float:
    """Return the seconds within which another program must answer."""
    number = seconds(text)
    if number < SHORTEST_ANSWER:
        raise ValueError(f"must be {SHORTEST_ANSWER:g} seconds or more")
    return number


def lifetime(text: str) -> float:
    """Return the lifetime of a token in seconds, 1 or more."""
    number = seconds(text)
    if number < 1:
        raise ValueError("must be 1 second or more")
    return number


def kept_time(text: str) -> float:
    """Return the seconds that a stream is kept: nodes renew it only every few seconds."""
    number = seconds(text)
    if number < 30:
        raise ValueError("must be 30 seconds or more")
    return number


class OneOf:
    """Converts one of some words, in upper or lower case."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices

    def __call__(self, text: str) -> str:
        """Return the word in its normal form. Raises ValueError for any other word."""
        for choice in self.choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"must be one of {', '.join(self.choices)}")


def one_of(*choices: str) -> OneOf:
    """Return the conversion of one of these words."""
    return OneOf(choices)
