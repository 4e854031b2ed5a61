"""The errors of the project, in one tree, and the catalogue of WebSocket close codes."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why a connection ended (RFC 6455 §7.4.1; 4000 to 4999 are the application's own).

    Each member carries `meaning`, a short English reason, and `reconnect`, whether a client
    that gets it should come back by itself.
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
    """The root of all errors that the project raises.

    `close_code` is what a connection that such an error ends is closed with, or None for an
    error that ends none.
    """

    close_code: CloseCode | None = None


class ConfigurationError(FwsError):
    """A setting, file or module that the server can't start with; its text is one line."""


class FilterDefinitionError(FwsError):
    """A filter class that can't join a chain: its `filter` has a signature that none calls."""


class HandshakeRefused(FwsError):
    """A request that doesn't become a WebSocket.

    `status` is the HTTP status ("400 Bad Request"), `headers` what the answer carries beside
    the usual ones, and the text says what was wrong.
    """

    close_code = CloseCode.POLICY_VIOLATION

    def __init__(self, status: str, why: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers


class OriginRefused(HandshakeRefused):
    """A page of another site asked: browsers may only come from the server's own host."""

    close_code = CloseCode.FORBIDDEN


class TokenRefused(HandshakeRefused):
    """The request brought a token that counts for nothing."""

    close_code = CloseCode.UNAUTHENTICATED


class NoRoom(HandshakeRefused):
    """As many are connected as may be, here or from one address."""

    close_code = CloseCode.TRY_AGAIN_LATER

    def __init__(self) -> None:
        super().__init__("503 Service Unavailable", "no room for more", (("Retry-After", "5"),))


class ShuttingDown(HandshakeRefused):
    """The node closes its connections and takes no more; another one may, or this one later."""

    close_code = CloseCode.GOING_AWAY

    def __init__(self) -> None:
        why = CloseCode.GOING_AWAY.meaning
        super().__init__("503 Service Unavailable", why, (("Retry-After", "5"),))


class ConnectsTooOften(HandshakeRefused):
    """A client, or a subject, opens more WebSockets than the rate allows; `seconds` until then."""

    def __init__(self, seconds: int) -> None:
        why = "too many connections opened lately; see Retry-After"
        super().__init__("429 Too Many Requests", why, (("Retry-After", str(seconds)),))


class NotReady(HandshakeRefused):
    """Nobody can be let in just now: the shared storage, which knows who may, is away."""

    close_code = CloseCode.TRY_AGAIN_LATER

    def __init__(self) -> None:
        why = "tokens can't be checked now, the shared storage is away"
        super().__init__("503 Service Unavailable", why, (("Retry-After", "2"),))


class TokenInvalid(FwsError):
    """A token, ticket or refresh token that counts for nothing; the text says why, never what."""

    close_code = CloseCode.UNAUTHENTICATED


class NotIssued(FwsError):
    """A token that can't be issued or revoked here: there is no key, or no place to remember it."""


class StoreFull(NotIssued):
    """As many tickets, refresh tokens or revocations are kept as may be."""


class SubjectFull(StoreFull):
    """One subject has as many entries as a subject may have."""


class GroupRefused(FwsError):
    """The connection's token doesn't grant the group that it should join.

    Left uncaught by a filter, the sender gets `notice` as a text message and stays.
    """

    close_code = CloseCode.FORBIDDEN

    def __init__(self, group: str) -> None:
        super().__init__(f"the token doesn't grant group {group!r}")
        shown = group.encode("utf-8", "backslashreplace").decode("utf-8")  # or it couldn't be sent
        self.notice = f"Error: {CloseCode.FORBIDDEN.value} not allowed in group {shown}"


class GroupNameInvalid(FwsError, ValueError):
    """A value that can't be the name of a group; the text says why.

    A name is a `str` of 1 to 255 bytes of UTF-8, without control characters and lone surrogates.
    Left uncaught by a filter, the sender gets `notice` as a text message and stays.
    """

    @property
    def notice(self) -> str:
        """What the sender is told."""
        return f"Error: {self}"


class FilterFailed(FwsError):
    """A filter raised; the chain stopped and its connection closes."""

    close_code = CloseCode.INTERNAL_ERROR


class UnfitResult(FwsError, TypeError):
    """A filter of raw data returned something that isn't bytes."""

    close_code = CloseCode.INTERNAL_ERROR

    def __init__(self, result: object) -> None:
        super().__init__(f"it returned {type(result).__name__}; raw data is bytes")


class TextNotUTF8(FwsError, ValueError):
    """A text message whose bytes are not UTF-8: it isn't sent, for clients must not take it."""

    close_code = CloseCode.INTERNAL_ERROR

    def __init__(self, why: str) -> None:
        super().__init__(f"a text message must be UTF-8: {why} (a BinaryMessage may be any bytes)")


class StorageAway(FwsError):
    """The shared storage can't be reached, or doesn't answer in time.

    Left uncaught by a filter, the sender gets `notice` as a text message and stays.
    """

    notice = "Error: the shared storage is away; try again"


class PublishFailed(StorageAway):
    """The shared storage didn't say that it took a message, and nobody is closed for it.

    Nobody got it, unless it was taken in the last moment and only the answer was lost.

    Left uncaught by a filter, the sender gets `notice` as a text message and stays.
    """

    notice = "Error: not delivered, the shared storage is away; try again"


class NotServing(FwsError):
    """A call from another thread to a server that has stopped."""

    def __init__(self) -> None:
        super().__init__("the server has stopped: it takes no calls from other threads")
