"""What a message filter gets as `data`: one whole WebSocket message."""

from __future__ import annotations


class Message(bytearray):
    """A whole text message: its UTF-8 bytes, which filters may change in place.

    It compares with `bytes` and with `str`, and `str(message)` is its text. A binary message
    is a `BinaryMessage`; `binary` tells them apart.
    """

    __slots__ = ()

    binary = False

    @property
    def text(self) -> str:
        """The message as `str`. Raises UnicodeDecodeError if the bytes are not UTF-8."""
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


class BinaryMessage(Message):
    """A whole binary message."""

    __slots__ = ()

    binary = True

    def __str__(self) -> str:
        return repr(bytes(self))
