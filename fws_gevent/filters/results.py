"""Checks of the values that filters return, and of messages that they change in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UnfitResult
from ..message import (
    BinaryMessage,
    CheckedMessage,
    Message,
    check_text,
    checked_message,
    encode_text,
)

Fit = Callable[[Any, Any], Any]
"""Called with what a filter returned, other than None, and with what it got.

It returns what the next filter gets, or raises an error that is the filter's.
"""


def any_value(result: Any, _data: Any) -> Any:
    """Return a result as it is: the filters of a chain may hand on what they like."""
    return result


def raw_data(result: Any, _data: Any) -> bytes | bytearray:
    """Return raw data as bytes. Raises UnfitResult for anything else."""
    if isinstance(result, bytes | bytearray):
        return result
    if isinstance(result, memoryview):
        return bytes(result)
    raise UnfitResult(result)


def message(result: Any, data: Any) -> Any:
    """Return text and bytes as the message that they replace; any other value as it is.

    `str` is a text, bytes are of the kind of the message that the filter got. Raises TextNotUTF8,
    so that the filter that is wrong is the one that fails.
    """
    if isinstance(result, str):
        return checked_message(encode_text(result))
    if isinstance(result, bytes | bytearray | memoryview) and not isinstance(result, Message):
        result = data.like(result) if isinstance(data, Message) else BinaryMessage(result)
    if type(result) is Message:
        checked(result)
    return result


def checked(text: Message) -> None:
    """Check a text message that was changed, so that it can be sent. Raises TextNotUTF8."""
    check_text(text)
    text.__class__ = CheckedMessage


FITS: dict[str, Fit] = {"data": raw_data, "message": message}
"""By the name of a chain; the others may return any value."""
