"""The opening handshake (RFC 6455 §4.2): the head of a request in, an answer or a refusal out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import HandshakeRefused, OriginRefused
from .deflate import Deflate, InvalidExtensionHeader, accept_offer
from .origin import origin_allowed, parse_authority

BAD_REQUEST: Final = "400 Bad Request"
FORBIDDEN: Final = "403 Forbidden"
METHOD_NOT_ALLOWED: Final = "405 Method Not Allowed"
UPGRADE_REQUIRED: Final = "426 Upgrade Required"

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) (HTTP/[0-9]\.[0-9])")
_ABSOLUTE = re.compile(r"(?i:https?)://([^/?#]+)([/?][^#]*)?")
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ONCE = ("host", "sec-websocket-key", "sec-websocket-version", "origin", "content-length")


class Headers:
    """The header fields of one request, in order, looked up without regard to case."""

    __slots__ = ("_values", "fields")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self.fields: list[tuple[str, str]] = list(fields)
        self._values: dict[str, list[str]] = {}
        for name, value in self.fields:
            self._values.setdefault(name.lower(), []).append(value)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)

    def all(self, name: str) -> list[str]:
        """Return the values of all fields called `name`."""
        return self._values.get(name.lower(), [])

    def joined(self, name: str) -> str:
        """Return the values of all fields called `name`, joined by commas (RFC 9110 §5.3)."""
        return ", ".join(self.all(name))

    def first(self, name: str) -> str | None:
        """Return the value of the first field called `name`, or None."""
        values = self.all(name)
        return values[0] if values else None

    def listed(self, name: str) -> list[str]:
        """Return the members of a list-valued field such as Sec-WebSocket-Protocol."""
        parts = (part.strip(" \t") for part in self.joined(name).split(","))
        return [part for part in parts if part]

    def tokens(self, name: str) -> list[str]:
        """Return the members of a list-valued field such as Connection, in lower case."""
        return [part.lower() for part in self.listed(name)]


@dataclass(frozen=True, slots=True)
class Request:
    """The head of an HTTP request."""

    method: str
    target: str
    version: str
    headers: Headers
    authority: str | None = None
    """The authority in the target, if that is in absolute form."""

    @property
    def host(self) -> str | None:
        """Return the host of an absolute target, else the Host header (RFC 9112 §3.2.2)."""
        return self.authority or self.headers.first("host")


@dataclass(frozen=True, slots=True)
class Policy:
    """The origins of other sites, the subprotocols in order, and whether deflate is agreed on."""

    allowed_origins: Sequence[str] = ()
    subprotocols: Sequence[str] = ()
    deflate: bool = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted upgrade, with the header fields of its 101 answer."""

    headers: tuple[tuple[str, str], ...]
    subprotocol: str | None
    deflate: Deflate | None


def parse_request_line(line: str) -> tuple[str, str, str]:
    """Return method, target and version of a request line without its line end (RFC 9112 §3).

    Raises HandshakeRefused.
    """
    parts = _REQUEST_LINE.fullmatch(line)
    if parts is None:
        raise HandshakeRefused(BAD_REQUEST, "malformed request line")
    if parts[3] not in ("HTTP/1.1", "HTTP/1.0"):
        raise HandshakeRefused("505 HTTP Version Not Supported", "only HTTP/1.1 is supported")
    return parts[1], parts[2], parts[3]


def split_target(method: str, target: str) -> tuple[str, str | None]:
    """Return path and query of a target, and the authority of an absolute one (RFC 9112 §3.2).

    The target of CONNECT is an authority, and that of OPTIONS may be an asterisk. Raises
    HandshakeRefused.
    """
    if target.startswith("/") and "#" not in target and method != "CONNECT":
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None and method != "CONNECT" and _names_host(absolute[1]):
        path = absolute[2] or "/"
        return path if path.startswith("/") else f"/{path}", absolute[1]
    if (method == "CONNECT" and _names_host(target)) or (method, target) == ("OPTIONS", "*"):
        return target, None
    raise HandshakeRefused(BAD_REQUEST, "malformed request target")


def parse_headers(lines: Iterable[str]) -> Headers:
    """Return the header fields in raw lines without their line ends (RFC 9112 §5).

    Raises HandshakeRefused for ambiguous ones: a line without a colon, a folded line, a control
    character, a repeated field of `_ONCE`, and a Content-Length beside a Transfer-Encoding.
    """
    fields: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise HandshakeRefused(BAD_REQUEST, "a header line has no colon")
        if not is_token(name):
            raise HandshakeRefused(BAD_REQUEST, "a header name is malformed")
        if _FORBIDDEN_IN_VALUE.search(value):
            raise HandshakeRefused(BAD_REQUEST, f"header {name} has a control character")
        fields.append((name, value.strip(" \t")))
    headers = Headers(fields)
    for name in _ONCE:
        if len(headers.all(name)) > 1:
            raise HandshakeRefused(BAD_REQUEST, f"header {name} is repeated")
    length = headers.first("content-length")
    if length is not None:
        if headers.all("transfer-encoding"):
            raise HandshakeRefused(BAD_REQUEST, "Content-Length beside Transfer-Encoding")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise HandshakeRefused(BAD_REQUEST, "malformed Content-Length")
    _check_coding(headers)
    if any(each != "100-continue" for each in headers.tokens("expect")):
        raise HandshakeRefused("417 Expectation Failed", "only 100-continue may be expected")
    return headers


def _check_coding(headers: Headers) -> None:
    """Refuse a body without a clear end, or with another coding (RFC 9112 §6.1, §6.3)."""
    if not headers.all("transfer-encoding"):
        return
    codings = headers.tokens("transfer-encoding")
    if codings[-1:] != ["chunked"] or codings.count("chunked") > 1:
        raise HandshakeRefused(BAD_REQUEST, "Transfer-Encoding must end in one chunked")
    if len(codings) > 1:
        raise HandshakeRefused("501 Not Implemented", "unknown Transfer-Encoding")


def check_request(request: Request) -> None:
    """Check a head as a whole.

    Raises HandshakeRefused for a missing or malformed Host (RFC 9112 §3.2), and for a
    Transfer-Encoding in HTTP/1.0 (§6.1).
    """
    host = request.headers.first("host")
    if host is None:
        if request.version == "HTTP/1.1":
            raise HandshakeRefused(BAD_REQUEST, "header Host is missing")
    elif not _names_host(host):
        raise HandshakeRefused(BAD_REQUEST, "malformed Host")
    if request.version == "HTTP/1.0" and request.headers.all("transfer-encoding"):
        raise HandshakeRefused(BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding")


def is_token(text: str) -> bool:
    """Return whether a text is a token (RFC 9110 §5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def _names_host(authority: str) -> bool:
    found = parse_authority(authority)
    return found is not None and bool(found[0])


def wants_websocket(headers: Headers, version: str = "HTTP/1.1") -> bool:
    """Return whether the client asks to upgrade: `Upgrade: websocket` and `Connection: Upgrade`.

    The Upgrade of an HTTP/1.0 request is ignored (RFC 9110 §7.8).
    """
    asked = "websocket" in headers.tokens("upgrade") and "upgrade" in headers.tokens("connection")
    return asked and version != "HTTP/1.0"


def mentions_websocket(headers: Headers) -> bool:
    """Return whether any header of a request is about WebSockets, even an invalid one.

    Frames may follow such a request, which must not be parsed as requests.
    """
    return "websocket" in headers.joined("upgrade").lower() or any(
        name.lower().startswith("sec-websocket-") for name, _ in headers
    )


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    return base64.b64encode(
        hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    ).decode("ascii")


def negotiate(request: Request, policy: Policy, host: str | None = None) -> Accepted:
    """Return the answer to an upgrade request (RFC 6455 §4.2.2), or raise HandshakeRefused.

    `host` is the host in the client's URL, where a trusted proxy has sent it.
    """
    headers = request.headers
    if request.method != "GET":
        raise wrong_method(request.method)
    if request.version != "HTTP/1.1":
        raise HandshakeRefused(BAD_REQUEST, "a WebSocket needs HTTP/1.1")
    if headers.first("sec-websocket-version") != "13":
        refused = "only Sec-WebSocket-Version 13 is supported"
        raise HandshakeRefused(UPGRADE_REQUIRED, refused, upgrade_headers())
    key = headers.first("sec-websocket-key")
    if key is None or not _KEY.fullmatch(key):
        raise HandshakeRefused(BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64")
    if headers.first("content-length") not in (None, "0") or headers.all("transfer-encoding"):
        raise HandshakeRefused(BAD_REQUEST, "an upgrade request has no body")
    check_origin(headers, policy, host or request.host)
    subprotocol = choose_subprotocol(headers, policy.subprotocols)
    deflate = _choose_deflate(headers) if policy.deflate else None
    answer = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ]
    if subprotocol is not None:
        answer.append(("Sec-WebSocket-Protocol", subprotocol))
    if deflate is not None:
        answer.append(("Sec-WebSocket-Extensions", deflate.header))
    return Accepted(tuple(answer), subprotocol, deflate)


def wrong_method(method: str) -> HandshakeRefused:
    """Return the refusal of an upgrade request whose method is not GET (RFC 6455 §4.1)."""
    why = f"a WebSocket is opened with GET, not {method}"
    return HandshakeRefused(METHOD_NOT_ALLOWED, why, (("Allow", "GET"),))


def upgrade_headers() -> tuple[tuple[str, str], ...]:
    """Return the header fields of a 426 (RFC 9110 §15.5.22, RFC 6455 §4.4)."""
    return (("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))


def check_origin(headers: Headers, policy: Policy, host: str | None = None) -> None:
    """Check the origin of a request (RFC 6455 §10.2); only browsers send one.

    Raises OriginRefused for a page of another site.
    """
    origin = headers.first("origin")
    if origin is None:
        return
    if not origin_allowed(origin, host or headers.first("host") or "", policy.allowed_origins):
        raise OriginRefused(FORBIDDEN, "this Origin is not allowed; see --allowed_origins")


def choose_subprotocol(headers: Headers, known: Sequence[str]) -> str | None:
    """Return the first of the server's subprotocols that the client offers (RFC 6455 §4.2.2).

    Raises HandshakeRefused if an offer is not a token, or is repeated (§4.1).
    """
    offered = headers.listed("sec-websocket-protocol")
    distinct = len(set(offered)) == len(offered)
    if not distinct or not all(map(is_token, offered)):
        raise HandshakeRefused(BAD_REQUEST, "malformed Sec-WebSocket-Protocol")
    return next((name for name in known if name in offered), None)


def _choose_deflate(headers: Headers) -> Deflate | None:
    try:
        return accept_offer(headers.joined("sec-websocket-extensions"))
    except InvalidExtensionHeader:
        raise HandshakeRefused(BAD_REQUEST, "malformed Sec-WebSocket-Extensions") from None
