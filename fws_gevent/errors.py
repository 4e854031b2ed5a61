"""All errors of the project, with one base class, and the catalogue of WebSocket close codes."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class CloseCode(IntEnum):
    """The reason for the end of a connection (RFC 6455 §7.4.1; 4000 to 4999 are for applications).

    Each member has a `meaning`, a short English reason. A client should reconnect by itself if
    `reconnect` is true.
    """

    meaning: str
    reconnect: bool

    def __new__(cls, value: int, meaning: str, reconnect: bool) -> CloseCode:  # noqa: D102
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.reconnect = reconnect
        return member

    NORMAL = 1000, "normal closure", False
    GOING_AWAY = 1001, "the server is shutting down", True
    PROTOCOL_ERROR = 1002, "protocol error", False
    UNSUPPORTED_DATA = 1003, "unsupported data", False
    NO_STATUS = 1005, "closed without a code", False
    ABNORMAL = 1006, "the connection was lost", True
    INVALID_PAYLOAD = 1007, "text that is not UTF-8", False
    POLICY_VIOLATION = 1008, "policy violation", False
    MESSAGE_TOO_BIG = 1009, "message too big", False
    MANDATORY_EXTENSION = 1010, "mandatory extension", False
    INTERNAL_ERROR = 1011, "a filter failed", False
    SERVICE_RESTART = 1012, "the server is restarting", True
    TRY_AGAIN_LATER = 1013, "too slow or overloaded", True
    BAD_GATEWAY = 1014, "bad gateway", True
    UNAUTHENTICATED = 4401, "no valid token", False
    FORBIDDEN = 4403, "not allowed", False


class FwsError(Exception):
    """The base of all errors that this project raises. They can be pickled.

    `close_code` is the code that a connection is closed with because of such an error, or None if
    it stays open.
    """

    close_code: CloseCode | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, vars(self))


def _restored(kind: type[FwsError], args: tuple[Any, ...], attributes: dict[str, Any]) -> FwsError:
    """Return an error that was pickled; its class may take other arguments."""
    error = kind.__new__(kind, *args)
    vars(error).update(attributes)
    return error


class ConfigurationError(FwsError):
    """A setting, file or module with which the server can't start. Its text is one line."""


class FilterDefinitionError(FwsError):
    """A class that can't be a filter, or a module without filters."""


class HandshakeRefused(FwsError):
    """An upgrade request that is not accepted.

    `status` is the HTTP status ("400 Bad Request"), and `headers` are the additional headers of
    the answer. The text says what is wrong with the request.
    """

    close_code = CloseCode.POLICY_VIOLATION

    def __init__(self, status: str, why: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers


class NoSuchPath(HandshakeRefused):
    """The server has no WebSockets at the path of the request."""

    def __init__(self) -> None:
        super().__init__("404 Not Found", "no WebSockets at this path; see --path")


class OriginRefused(HandshakeRefused):
    """A page of another site asked: its Origin is not among the allowed ones."""

    close_code = CloseCode.FORBIDDEN


class TokenRefused(HandshakeRefused):
    """The request brought a token that is not valid."""

    close_code = CloseCode.UNAUTHENTICATED


class NoRoom(HandshakeRefused):
    """The limit of open connections is reached, of the node or of one address."""

    close_code = CloseCode.TRY_AGAIN_LATER

    def __init__(self) -> None:
        super().__init__("503 Service Unavailable", "no room for more", (("Retry-After", "5"),))


class ShuttingDown(HandshakeRefused):
    """The node is closing its connections, and accepts no new ones."""

    close_code = CloseCode.GOING_AWAY

    def __init__(self) -> None:
        why = CloseCode.GOING_AWAY.meaning
        super().__init__("503 Service Unavailable", why, (("Retry-After", "5"),))


class ConnectsTooOften(HandshakeRefused):
    """A client or a subject opens connections faster than the rate allows.

    `seconds` is the time until it may open the next one.
    """

    def __init__(self, seconds: int) -> None:
        why = "too many connections opened lately; see Retry-After"
        super().__init__("429 Too Many Requests", why, (("Retry-After", str(seconds)),))
        self.seconds = seconds


class NotReady(HandshakeRefused):
    """Tokens can't be checked now, because the shared storage is away."""

    close_code = CloseCode.TRY_AGAIN_LATER

    def __init__(self) -> None:
        why = "tokens can't be checked now, the shared storage is away"
        super().__init__("503 Service Unavailable", why, (("Retry-After", "2"),))


class TokenInvalid(FwsError):
    """A token, ticket or refresh token that is not valid. The text says why, without it."""

    close_code = CloseCode.UNAUTHENTICATED


class NotIssued(FwsError):
    """A token can't be issued or revoked: a signing key, or a place to remember it, is missing."""


class StoreFull(NotIssued):
    """The limit of remembered tickets, refresh tokens or revocations is reached."""


class SubjectFull(StoreFull):
    """One subject has reached its limit of remembered entries."""


class GroupRefused(FwsError):
    """The token of a connection doesn't grant the group that it should join.

    If a filter doesn't catch it, the client gets `notice` as a text message and stays connected.
    """

    close_code = CloseCode.FORBIDDEN

    def __init__(self, group: str) -> None:
        super().__init__(f"the token doesn't grant group {group!r}")
        shown = group.encode("utf-8", "backslashreplace").decode("utf-8")  # or it couldn't be sent
        self.notice = f"Error: {CloseCode.FORBIDDEN.value} not allowed in group {shown}"


class GroupNameInvalid(FwsError, ValueError):
    """A value that can't be the name of a group. The text says why.

    A name is a `str` of 1 to 255 bytes of UTF-8, without control characters and lone surrogates.
    If a filter doesn't catch it, the client gets `notice` as a text message and stays connected.
    """

    @property
    def notice(self) -> str:
        """The message to the client."""
        return f"Error: {self}"


class FilterFailed(FwsError):
    """A filter raised an exception. Its chain stopped, and its connection closes."""

    close_code = CloseCode.INTERNAL_ERROR


class UnfitResult(FwsError, TypeError):
    """A filter of raw data returned a value that is not bytes."""

    close_code = CloseCode.INTERNAL_ERROR

    def __init__(self, result: object) -> None:
        super().__init__(f"it returned {type(result).__name__}; raw data is bytes")


class TextNotUTF8(FwsError, ValueError):
    """A text message whose bytes are not UTF-8. It is not sent: clients must refuse it."""

    close_code = CloseCode.INTERNAL_ERROR

    def __init__(self, why: str) -> None:
        super().__init__(f"a text message must be UTF-8: {why} (a BinaryMessage may be any bytes)")


class StorageAway(FwsError):
    """The shared storage can't be reached, or doesn't answer in time.

    If a filter doesn't catch it, the client gets `notice` as a text message and stays connected.
    """

    notice = "Error: the shared storage is away; try again"


class PublishFailed(StorageAway):
    """The shared storage has not confirmed a message in time, or has refused it.

    The message was not delivered, unless the storage took it in the last moment and only its
    answer was lost. If a filter doesn't catch it, the client gets `notice` as a text message and
    stays connected.
    """

    notice = "Error: not delivered, the shared storage is away; try again"


class NotServing(FwsError):
    """A call from another thread to a server that is not running."""

    def __init__(self) -> None:
        super().__init__("the server is not running: it takes no calls from other threads")
