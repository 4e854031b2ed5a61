"""Checks of the results of filters, and of messages that filters change in place."""

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
"""A check of a filter's result other than None: called with the result and the filter's data.

Returns the data of the next filter, or raises an error, which counts as the filter's.
"""


def any_value(result: Any, _data: Any) -> Any:
    """Return a result unchanged."""
    return result


def raw_data(result: Any, _data: Any) -> bytes | bytearray:
    """Return raw data as bytes. Raises UnfitResult for anything else."""
    if isinstance(result, bytes | bytearray):
        return result
    if isinstance(result, memoryview):
        return bytes(result)
    raise UnfitResult(result)


def message(result: Any, data: Any) -> Any:
    """Return text and bytes as a message, and any other value unchanged.

    A `str` becomes a text message, bytes become a message of the same kind as `data`. Raises
    TextNotUTF8 here, so that the filter with the wrong result fails, and not a later one.
    """
    if isinstance(result, str):
        return checked_message(encode_text(result))
    if isinstance(result, bytes | bytearray | memoryview) and not isinstance(result, Message):
        result = data.like(result) if isinstance(data, Message) else BinaryMessage(result)
    if type(result) is Message:
        checked(result)
    return result


def checked(text: Message) -> None:
    """Check a changed text message, so that it can be sent. Raises TextNotUTF8."""
    check_text(text)
    text.__class__ = CheckedMessage


FITS: dict[str, Fit] = {"data": raw_data, "message": message}
"""The checks by the name of the chain. Filters of the other chains may return any value."""
