"""Checks of texts in settings, by the grammar of the values that they are compared with.

Each function returns the text, in its normal form if it has one. It raises ValueError, which says
what the text must be and doesn't repeat it.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

from ..errors import GroupNameInvalid
from ..protocol.addresses import parse_address
from ..protocol.credentials import BEARER_SUBPROTOCOL
from ..protocol.forwarded import parse_networks
from ..protocol.handshake import is_token
from ..protocol.names import checked_group
from ..protocol.origin import ANY, NULL, Origin, parse_origin
from ..protocol.paths import unescaped

UNIX_PREFIX = "unix:"
"""The prefix of a host that is a socket file."""

RESERVED = "/fws/"
"""The prefix of the paths of the server's own pages."""

LONGEST_SOCKET_PATH = 107
"""The most bytes of a socket file's path on Linux (unix(7)); macOS takes 103."""

LONGEST_PATH = 4000
"""The most bytes of a path as clients send it: gunicorn takes a request line of 4094."""

_BROADCAST = IPv4Address("255.255.255.255")
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PREFIX = re.compile(r"[^\s{}*?\[\]\\]+")
# A pattern of Redis without its escapes: a class of characters is not empty.
_PATTERN = re.compile(r"(?:[^\[]|\[[^\]]+\]?)*")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_HASH = re.compile(
    r"(?:scrypt:(?P<n>\d{1,9}):(?P<r>[1-9]\d{0,8}):(?P<p>[1-9]\d{0,8})"
    r"|pbkdf2:(?P<digest>sha\w+):[1-9]\d{0,9})"
    r"\$[^$]+\$(?P<hash>[0-9a-f]+)"
)
_DIGITS = {"sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_SCRYPT_DIGITS = 128


def text(value: str) -> str:
    """Return a text in Unicode that is not blank and has no control characters."""
    if not value.strip():
        raise ValueError("must be a non-empty string")
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in value):
        raise ValueError("must be valid Unicode without control characters")
    return value


def secret(value: str) -> str:
    """Return a text that is not blank; its user checks the rest."""
    if not value.strip():
        raise ValueError("must be a non-empty string")
    return value


def file_name(value: str) -> str:
    """Return the name of a file, in any encoding."""
    if not value.strip() or "\0" in value:
        raise ValueError("must be the name of a file")
    return value


def group(value: str) -> str:
    """Return the name of a group."""
    try:
        return checked_group(value)
    except GroupNameInvalid as error:
        raise ValueError(f"must be the name of a group: {error}") from None


def listening_host(value: str) -> str:
    """Return an address or a host's name to listen on, or "unix:" and a socket file's path."""
    if not value.startswith(UNIX_PREFIX):
        name = host_name(value)
        address = parse_address(name)
        if address is not None and (address.is_multicast or address == _BROADCAST):
            raise ValueError("must be an address of one machine")
        return name
    path = file_name(value.removeprefix(UNIX_PREFIX))
    if len(path.encode("utf-8", "surrogateescape")) > LONGEST_SOCKET_PATH:
        raise ValueError(f"must have a path of {LONGEST_SOCKET_PATH} bytes at most behind unix:")
    return value


def host_name(value: str) -> str:
    """Return an address without its brackets, or a host's name."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        address = ip_address(bare)
    except ValueError:
        if bare != value or not _is_name(value):
            raise ValueError(
                "must be an address or the name of a host, without scheme and port"
            ) from None
        return value
    if bare != value and not isinstance(address, IPv6Address):
        raise ValueError("must be an IPv6 address if it is in brackets")
    return bare


def _is_name(value: str) -> bool:
    try:
        ascii_form = value if value.isascii() else value.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    return len(ascii_form) <= 253 and _NAME.fullmatch(ascii_form) is not None


def origin(value: str) -> str:
    """Return the normal form of an Origin that browsers send, or "null", or "*" for all."""
    if value == ANY or value.lower() == NULL:
        return value.lower()
    found = parse_origin(value.removesuffix("/") if value.count("/") == 3 else value)
    if found is None or not _is_sent(found):
        raise ValueError(
            "must look like https://app.example.com or http://localhost:8080: scheme, host and "
            "port alone, without a wildcard, in ASCII (xn--…); or be null, or *"
        )
    return str(found)


def _is_sent(found: Origin) -> bool:
    """Return whether a browser may send this Origin: a page doesn't come over wss."""
    if found.port == 0 or found.scheme in ("ws", "wss"):
        return False
    if found.scheme not in ("http", "https") or found.host.startswith("["):
        return True
    if _NUMBER.fullmatch(found.host.rstrip(".").rpartition(".")[2]):
        return isinstance(parse_address(found.host), IPv4Address)  # the one form of browsers
    return _NAME.fullmatch(found.host) is not None


def proxy(value: str) -> str:
    """Return an address, a network or "unix"."""
    try:
        parse_networks([value])
    except ValueError:
        raise ValueError('must be an address, a network such as 10.0.0.0/8, or "unix"') from None
    return value


def url_path(value: str) -> str:
    """Return the path of a URL, with or without percent-escapes."""
    if not value.startswith("/") or "?" in value or "#" in value or value != value.strip():
        raise ValueError("must be a path such as /ws")
    try:
        path = text(unescaped(value))
    except ValueError:
        raise ValueError("must be a path in UTF-8 without control characters") from None
    if len(quote(path)) > LONGEST_PATH:
        raise ValueError(f"must have {LONGEST_PATH} bytes at most, written with percent-escapes")
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError("must be a path without . and .., which clients resolve")
    if path.startswith(RESERVED):
        raise ValueError(f"must be outside of {RESERVED}, the server's own pages")
    return value


def subprotocol(value: str) -> str:
    """Return a subprotocol: a token (RFC 6455 §4.1), and not how clients offer a bearer token."""
    if not is_token(value) or value.startswith(BEARER_SUBPROTOCOL):
        raise ValueError(
            "must be a token of letters, digits and !#$%&'*+-.^_`|~, and not begin with "
            f"{BEARER_SUBPROTOCOL}"
        )
    return value


def key_prefix(value: str) -> str:
    """Return a prefix of Redis keys: braces in it would change the slots of a Redis Cluster."""
    if not _PREFIX.fullmatch(text(value)):
        raise ValueError("must be a prefix without spaces, braces, brackets, * ? and \\")
    return value


def channel(value: str) -> str:
    """Return a channel of Redis, or a pattern that some channel fits."""
    if not _PATTERN.fullmatch(_ESCAPED.sub("-", text(value))):
        raise ValueError("must be a channel, or a pattern in which no [] is empty")
    return value


def key_file(value: str) -> str:
    """Return a key's name and its file, KID=FILE."""
    name, equals, path = value.partition("=")
    if not (name.strip() and equals and path.strip()) or "\0" in value:
        raise ValueError("must look like KID=FILE, such as 2026=keys/2026.pem")
    return value


def password_hash(value: str) -> str:
    """Return a password's hash, as werkzeug writes it."""
    found = _HASH.fullmatch(value)
    if found is None or not _can_match(found):
        raise ValueError("must be a hash, as `flask fws hash` prints it")
    return value


def _can_match(found: re.Match[str]) -> bool:
    """Return whether a password can have this hash, by its method and length."""
    if found["digest"] is not None:
        return _DIGITS.get(found["digest"]) == len(found["hash"])
    # hashlib takes a power of 2 below its limit, and the memory that werkzeug allows.
    cost, block, parallel = (int(found[each]) for each in "nrp")
    if cost & (cost - 1) or not 1 < cost < 1 << 16 * min(block, 4):
        return False
    allowed = 132 * cost * block * parallel
    needed = 128 * block * (cost + parallel + 2)
    return needed <= allowed < 1 << 31 and len(found["hash"]) == _SCRYPT_DIGITS
