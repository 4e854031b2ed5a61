"""Every setting of a server: its name, default, bounds, flag and environment name, in one table."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import ConfigurationError
from .protocol.forwarded import Network, parse_networks
from .protocol.origin import normal_origin

ENVIRONMENT_PREFIX = "FWS_"

Parse = Callable[[str], Any]


def _whole(minimum: int, maximum: int = 1 << 62) -> Parse:
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


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 <= number < 1e9:
        raise ValueError("must be a number of seconds, 0 or more")
    return number


def _one_of(*choices: str) -> Parse:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return parse


def _origin(text: str) -> str:
    if text not in ("*", "null") and "://" not in text:
        raise ValueError("must look like https://app.example.com, or be null or *")
    return normal_origin(text)


def _proxy(text: str) -> str:
    try:
        parse_networks([text])
    except ValueError:
        raise ValueError('must be an address, a network such as 10.0.0.0/8, or "unix"') from None
    return text


def _setting(
    default: Any, parse: Parse, text: str, *flags: str, many: bool = False
) -> Any:  # a dataclass field, which dataclass() gives the type of the annotation
    return field(
        default=default, metadata={"parse": parse, "help": text, "flags": flags, "many": many}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server is started with. Raises ConfigurationError for what doesn't fit together."""

    port: int = _setting(9000, _whole(0, 65535), "port to listen on", "-p", "--port")
    host: str = _setting("127.0.0.1", str, "address to listen on, or unix:PATH for a socket file")
    key: str | None = _setting(None, str, "private key file (PEM), for TLS", "-key")
    cert: str | None = _setting(None, str, "certificate file (PEM), for TLS", "-cert")
    token: str | None = _setting(
        None, str, "token of connections that bring none: they are one group", "-token"
    )
    filters: tuple[str, ...] = _setting(
        (), str, "modules of filters to import, in order", "-f", "--filters", many=True
    )
    redis_url: str | None = _setting(None, str, "Redis to share data over")
    redis_host: str | None = _setting(None, str, "the same, by host")
    redis_port: int = _setting(6379, _whole(1, 65535), "and port")
    redis_key: str = _setting("fws", str, "prefix of all Redis keys")
    redis_channels: tuple[str, ...] = _setting(
        ("global",), str, "Redis channels that feed the consumer chain", many=True
    )
    max_message_size: int = _setting(1 << 20, _whole(1), "bytes of one message from a client")
    max_fragments: int = _setting(4096, _whole(1), "fragments of one message")
    max_queue: int = _setting(1 << 20, _whole(1), "bytes of output waiting per connection")
    max_queue_time: float = _setting(
        10.0, _seconds, "seconds that more may wait before the reader is closed as too slow (1013)"
    )
    ping_interval: float = _setting(
        20.0, _seconds, "seconds of silence before a ping; 0 for no keep-alive"
    )
    ping_timeout: float = _setting(20.0, _seconds, "seconds to answer it in")
    close_timeout: float = _setting(5.0, _seconds, "seconds to answer a Close in")
    request_timeout: float = _setting(
        10.0, _seconds, "seconds for a TLS handshake, a request's head, or the next request"
    )
    max_connections: int = _setting(50_000, _whole(1), "WebSockets open at once; more get 503")
    grace: float = _setting(10.0, _seconds, "seconds to close in at the end")
    allowed_origins: tuple[str, ...] = _setting(
        (), _origin, "origins of other sites whose pages may connect, or *", many=True
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), _proxy, "addresses or networks whose X-Forwarded-* headers count", many=True
    )
    subprotocols: tuple[str, ...] = _setting(
        (), str, "subprotocols that the filters speak, the preferred first", many=True
    )
    deflate: str = _setting("on", _one_of("on", "off"), "permessage-deflate: on or off")
    max_runners: int = _setting(2000, _whole(1), "filters that may block at once")
    log_level: str = _setting(
        "info", _one_of("debug", "info", "warning", "error"), "debug, info, warning or error"
    )
    log_format: str = _setting("text", _one_of("text", "json"), "text or json")

    def __post_init__(self) -> None:
        if (self.key is None) != (self.cert is None):
            raise ConfigurationError("TLS needs both -key and -cert")

    @property
    def socket_path(self) -> str | None:
        """The socket file to listen on, if `host` names one."""
        return self.host.removeprefix("unix:") if self.host.startswith("unix:") else None

    @property
    def proxies(self) -> tuple[Network | str, ...]:
        """`trusted_proxies`, ready to compare with."""
        return parse_networks(self.trusted_proxies)

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Settings:
        """The settings of parsed options; what they lack has its default.

        Raises ConfigurationError.
        """
        given = {}
        for each in fields(cls):
            value = getattr(options, each.name, None)
            if value is not None:
                given[each.name] = checked(each, value, f"--{each.name}")
        return cls(**given)


def table() -> tuple[Field[Any], ...]:
    """The settings as dataclass fields; `metadata` has parse, help, flags and many."""
    return fields(Settings)


def checked(setting: Field[Any], value: Any, source: str) -> Any:
    """A value of a setting, as JSON or Python has it, checked and converted.

    Raises ConfigurationError, which says where the value came from: `source`.
    """
    try:
        return _convert(setting, value)
    except ValueError as error:
        raise ConfigurationError(f"{source}: {error}, not {value!r}") from None


def _convert(setting: Field[Any], value: Any) -> Any:
    parse: Parse = setting.metadata["parse"]
    if setting.metadata["many"]:
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise ValueError("must be a list of texts")
        return tuple(parse(part) for part in value)
    if value is None and setting.default is None:
        return None
    if isinstance(setting.default, int | float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("must be a number")
        if isinstance(setting.default, int) and isinstance(value, float):
            raise ValueError("must be a whole number")
        return parse(str(value))
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return parse(value)


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that FWS_… variables give; those that take many are separated by commas.

    Raises ConfigurationError for a value that is wrong and for an FWS_ name that is none.
    """
    known = {ENVIRONMENT_PREFIX + each.name.upper(): each for each in table()}
    given: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name == ENVIRONMENT_PREFIX + "CONFIG":
            continue
        setting = known.get(name)
        if setting is None:
            raise ConfigurationError(f"environment: unknown setting {name}{_guess(name, known)}")
        parse: Parse = setting.metadata["parse"]
        try:
            if setting.metadata["many"]:
                parts = [part.strip() for part in text.split(",") if part.strip()]
                given[setting.name] = tuple(parse(part) for part in parts)
            else:
                given[setting.name] = parse(text)
        except ValueError as error:
            raise ConfigurationError(f"environment: {name} {error}, not {text!r}") from None
    return given


def from_file(path: str) -> dict[str, Any]:
    """The settings in a JSON file, an object with long option names as keys.

    Raises ConfigurationError.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"can't read configuration {path}: {reason}") from None
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"configuration {path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"configuration {path} must be a JSON object")
    known = {each.name: each for each in table()}
    for name in content:
        if name not in known:
            guess = _guess(name, known)
            raise ConfigurationError(f"configuration {path}: unknown setting {name!r}{guess}")
    return {
        name: checked(known[name], value, f"configuration {path}: {name}")
        for name, value in content.items()
    }


def _guess(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def default_of(setting: Field[Any]) -> Any:
    """The built-in default of a setting."""
    assert setting.default is not MISSING
    return setting.default
