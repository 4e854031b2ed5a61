"""A whole WebSocket message: the `data` of message filters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .errors import TextNotUTF8


class Message(bytearray):
    """A whole text message: its UTF-8 bytes, which filters may change in place.

    It can be compared with `bytes` and with `str`, and `str(message)` is its text. `binary` is true
    for a binary message, which is a `BinaryMessage`. Methods and operators keep the kind:
    `message.upper()` and `message[3:]` of a text are texts. (`b"> " + message` is an operation of
    bytes, and returns bytes.)
    """

    __slots__ = ()

    binary = False

    @property
    def text(self) -> str:
        """The message as `str`; setting it replaces the bytes.

        Raises:
            UnicodeDecodeError: The bytes are not UTF-8.
        """
        return self.decode("utf-8")

    @text.setter
    def text(self, value: str) -> None:
        self[:] = value.encode("utf-8")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = other.encode("utf-8", "surrogatepass")
        return bytearray.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # mutable, as every bytearray

    def __contains__(self, part: object) -> bool:
        if isinstance(part, str):
            part = part.encode("utf-8", "surrogatepass")
        return bytearray.__contains__(self, part)  # type: ignore[operator]

    def __str__(self) -> str:
        return self.decode("utf-8", "backslashreplace")

    def __getitem__(self, index: Any) -> Any:
        found = bytearray.__getitem__(self, index)
        return found if isinstance(found, int) else self.like(found)

    def like(self, content: bytes | bytearray | memoryview) -> Message:
        """Return a message of the same kind, text or binary.

        Args:
            content: The bytes of the new message.

        Returns:
            The message.
        """
        return self.__class__(content)


class _Unchecked(type):
    """Makes `type(message)(…)` and `fromhex` return a message that is not checked yet."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return Message(*args, **kwargs)


class CheckedMessage(Message, metaclass=_Unchecked):
    """A text message that is known to be UTF-8, so that it is sent without another check.

    `checked_message` makes one. A change in place turns it into a `Message`, which is checked
    before it is sent. A change through a `memoryview` is not noticed.
    """

    __slots__ = ()

    def like(self, content: bytes | bytearray | memoryview) -> Message:
        """Return a new text message that is not checked yet, with another content."""
        return Message(content)


checked_message: Callable[[bytes | bytearray], CheckedMessage] = type.__call__.__get__(
    CheckedMessage
)
"""Return a message of bytes that are known to be UTF-8."""


class BinaryMessage(Message):
    """A whole binary message."""

    __slots__ = ()

    binary = True

    def __str__(self) -> str:
        return repr(bytes(self))


def check_text(payload: bytes | bytearray) -> None:
    """Raise TextNotUTF8 unless the bytes of a text message are UTF-8 (RFC 6455 §8.1)."""
    if not payload.isascii():
        try:
            str(payload, "utf-8")
        except UnicodeDecodeError as error:
            raise TextNotUTF8(f"{error.reason} at byte {error.start} of {len(payload)}") from None


def encode_text(text: str) -> bytes:
    """Return a text message as UTF-8. Raises TextNotUTF8 for a lone surrogate."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TextNotUTF8(f"{error.reason} at character {error.start}") from None


# The methods of bytearray that would lose the kind of a message, and those that change it.

_RETURN_ONE = """__add__ __mul__ __rmul__ __mod__ capitalize center copy expandtabs join ljust lower
    lstrip removeprefix removesuffix replace rjust rstrip strip swapcase title translate upper
    zfill"""
_RETURN_SEVERAL = "partition rpartition rsplit split splitlines"
_CHANGE = """__delitem__ __iadd__ __imul__ __setitem__ append clear extend insert pop remove
    reverse resize"""


def _returning_one(name: str) -> Callable[..., Any]:
    method = getattr(bytearray, name)

    def kept(self: Message, *args: Any, **kwargs: Any) -> Message:
        return self.like(method(self, *args, **kwargs))

    return kept


def _returning_several(name: str) -> Callable[..., Any]:
    method = getattr(bytearray, name)

    def kept(self: Message, *args: Any, **kwargs: Any) -> Any:
        parts = method(self, *args, **kwargs)
        return type(parts)(self.like(part) for part in parts)

    return kept


def _changing(name: str) -> Callable[..., Any]:
    method = getattr(bytearray, name)

    def change(self: Message, *args: Any, **kwargs: Any) -> Any:
        self.__class__ = Message
        return method(self, *args, **kwargs)

    return change


def _define(kind: type[Message], names: str, make: Callable[[str], Callable[..., Any]]) -> None:
    for name in filter(partial(hasattr, bytearray), names.split()):  # `resize` came with 3.14
        method = make(name)
        method.__name__, method.__qualname__ = name, f"{kind.__name__}.{name}"
        method.__doc__ = getattr(bytearray, name).__doc__
        setattr(kind, name, method)


_define(Message, _RETURN_ONE, _returning_one)
_define(Message, _RETURN_SEVERAL, _returning_several)
_define(CheckedMessage, _CHANGE, _changing)
