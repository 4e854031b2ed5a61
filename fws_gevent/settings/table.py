"""Every setting of a server: its name, default, bounds, flag and environment name, in one table."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any

from ..errors import ConfigurationError
from ..protocol.forwarded import Network, parse_networks
from .fields import setting as _setting
from .layers import Layers, layers_of
from .sources import from_flask, from_keywords, from_process
from .texts import (
    UNIX_PREFIX,
    channel,
    file_name,
    group,
    host_name,
    key_file,
    key_prefix,
    listening_host,
    origin,
    password_hash,
    proxy,
    secret,
    subprotocol,
    text,
    url_path,
)
from .values import (
    answer_time,
    kept_time,
    lifetime,
    one_of,
    positive,
    rate,
    seconds,
    whole,
)

_REDIS_PORT = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server is started with. Raises ConfigurationError for what doesn't fit together."""

    port: int = _setting(9000, whole(0, 65535), "port to listen on", "-p", "--port")
    host: str = _setting(
        "127.0.0.1", listening_host, "address to listen on, or unix:PATH for a socket file"
    )
    key: str | None = _setting(None, file_name, "private key file (PEM), for TLS", "-key")
    cert: str | None = _setting(None, file_name, "certificate file (PEM), for TLS", "-cert")
    token: str | None = _setting(
        None, group, "token of connections that bring none: they are one group", "-token"
    )
    filters: tuple[str, ...] = _setting(
        (), text, "modules of filters to import, in order", "-f", "--filters", many=True
    )
    path: str | None = _setting(
        None, url_path, "path of WebSockets; without it any path is one, beside Flask /ws"
    )
    auth: str = _setting(
        "off",
        one_of("off", "optional", "required"),
        "tokens at the socket: off, optional or required",
    )
    signing_key: str | None = _setting(
        None, secret, "secret that signs tokens (HS256), 32 bytes or more", secret=True, flag=False
    )
    signing_key_files: tuple[str, ...] = _setting(
        (), key_file, "KID=FILE of keys that tokens are checked with; the first signs", many=True
    )
    signing_algorithm: str = _setting(
        "HS256", one_of("HS256", "RS256", "ES256", "EdDSA"), "HS256, RS256, ES256 or EdDSA"
    )
    token_issuer: str = _setting("fws", text, "iss of tokens")
    token_audience: str = _setting("fws", text, "aud of tokens")
    token_ttl: float = _setting(3600.0, lifetime, "seconds that a token is valid")
    token_leeway: float = _setting(
        0.0, seconds, "seconds by which the clocks of who issues tokens may be off"
    )
    token_timeout: float = _setting(
        10.0, lifetime, "seconds in which the token must come where one is required"
    )
    token_clients: str | None = _setting(
        None, file_name, "JSON file of the clients that may ask for tokens"
    )
    token_rate: int = _setting(
        60, whole(0), "requests a minute for tokens per client address, then 429; 0 for no bound"
    )
    refresh_ttl: float = _setting(14 * 86400.0, lifetime, "seconds that a refresh token is valid")
    refresh_grace: float = _setting(
        30.0, seconds, "seconds in which a used refresh token may be sent again; 0 for never"
    )
    ticket_ttl: float = _setting(30.0, lifetime, "seconds that a ticket is valid")
    admin_password: str | None = _setting(
        None, password_hash, "hash of the status page's password", secret=True, flag=False
    )
    redis_url: str | None = _setting(
        None,
        secret,
        "Redis to share data over: redis:// rediss:// redis+sentinel:// redis+cluster://",
        secret=True,
    )
    redis_host: str | None = _setting(None, host_name, "the same, by host")
    redis_port: int = _setting(_REDIS_PORT, whole(1, 65535), "and port")
    redis_key: str = _setting("fws", key_prefix, "prefix of all Redis keys")
    redis_channels: tuple[str, ...] = _setting(
        ("global",), channel, "Redis channels that feed the consumer chain, or patterns", many=True
    )
    redis_history: int = _setting(
        10_000, whole(1), "messages of a group that Redis keeps for nodes that missed them"
    )
    redis_history_size: int = _setting(16 << 20, whole(1), "bytes of these, roughly")
    redis_history_time: float = _setting(
        3600.0, kept_time, "seconds that Redis keeps them after the last one, 30 or more"
    )
    publish_timeout: float = _setting(
        2.0, answer_time, "seconds for Redis to take a message; then the broadcast fails"
    )
    redis_away: str = _setting(
        "fail",
        one_of("fail", "local"),
        "what a broadcast does while Redis is away: fail, or reach this node's clients alone",
    )
    max_message_size: int = _setting(1 << 20, whole(1), "bytes of one message from a client")
    max_fragments: int = _setting(4096, whole(1), "fragments of one message")
    max_queue: int = _setting(1 << 20, whole(1), "bytes of output waiting per connection")
    max_queue_time: float = _setting(
        10.0, seconds, "seconds that more may wait before the reader is closed as too slow (1013)"
    )
    ping_interval: float = _setting(
        20.0, seconds, "seconds of silence before a ping; 0 for no keep-alive"
    )
    ping_timeout: float = _setting(20.0, seconds, "seconds to answer it in")
    close_timeout: float = _setting(5.0, seconds, "seconds to answer a Close in")
    request_timeout: float = _setting(
        10.0, seconds, "seconds for a TLS handshake, a request's head, or the next request"
    )
    max_connections: int = _setting(50_000, whole(1), "WebSockets open at once; more get 503")
    max_connections_per_address: int = _setting(
        0, whole(0), "and from one client address; 0 for no bound"
    )
    connect_rate: int = _setting(
        0,
        whole(0),
        "WebSockets a minute that a client address, or a subject, may open, then 429; "
        "0 for no bound",
    )
    message_rate: float = _setting(
        50.0, rate, "messages a second of a connection, if filters.rate_limit is there; 0: no bound"
    )
    byte_rate: float = _setting(
        1024.0 * 1024, rate, "bytes a second of these messages; 0 for no bound"
    )
    rate_burst: float = _setting(5.0, positive, "seconds' worth of these that may come at once")
    shared_rate: float = _setting(
        10.0,
        rate,
        "times as much for all connections of one subject, and of one address; 0 for no bound",
    )
    grace: float = _setting(10.0, seconds, "seconds to close in at the end")
    close_spread: float = _setting(
        5.0,
        seconds,
        "seconds over which the closes at the end are spread, "
        "so that clients don't come back all at once",
    )
    allowed_origins: tuple[str, ...] = _setting(
        (), origin, "origins of other sites whose pages may connect, or *", many=True
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), proxy, "addresses or networks whose X-Forwarded-* headers count", many=True
    )
    subprotocols: tuple[str, ...] = _setting(
        (), subprotocol, "subprotocols that the filters speak, the preferred first", many=True
    )
    deflate: str = _setting("on", one_of("on", "off"), "permessage-deflate: on or off")
    max_runners: int = _setting(2000, whole(1), "filters that may block at once")
    offload_threads: int = _setting(10, whole(1), "threads for filters that say `offload`")
    log_level: str = _setting(
        "info", one_of("debug", "info", "warning", "error"), "debug, info, warning or error"
    )
    log_format: str = _setting("text", one_of("text", "json"), "text or json")

    def __post_init__(self) -> None:
        if (self.key is None) != (self.cert is None):
            raise ConfigurationError("TLS needs both -key and -cert")
        if self.redis_url is not None and self.redis_host is not None:
            raise ConfigurationError("--redis_url and --redis_host name the same thing: give one")
        if self.redis_port != _REDIS_PORT and self.redis_host is None:
            raise ConfigurationError("--redis_port goes with --redis_host; a URL has its own port")
        # Without any key a server on loopback takes a random one, and that is for HS256.
        keyless = self.signing_key is None and not self.signing_key_files
        if self.signing_algorithm != "HS256" and keyless:
            raise ConfigurationError(
                f"--signing_algorithm {self.signing_algorithm} needs --signing_key_files"
            )
        if self.token is not None and self.auth != "off":
            raise ConfigurationError("-token names a group, and goes with --auth off alone")

    @property
    def socket_path(self) -> str | None:
        """The socket file to listen on, if `host` names one."""
        prefix = UNIX_PREFIX
        return self.host.removeprefix(prefix) if self.host.startswith(prefix) else None

    @property
    def proxies(self) -> tuple[Network | str, ...]:
        """`trusted_proxies`, ready to compare with."""
        return parse_networks(self.trusted_proxies)

    @classmethod
    def load(cls, config: Mapping[str, Any] | None = None, /, **given: Any) -> Settings:
        """Return the settings of this process, as a program without flags has them.

        Args:
            config: A Flask application's config; its FWS_… values go over the environment and
                the file that FWS_CONFIG names.
            **given: Settings by name, which go over everything else.

        Raises:
            ConfigurationError: A setting is unknown or wrong, or two don't fit together.
        """
        known = by_name()
        layers = Layers(
            process=from_process(known, os.environ),
            application=from_flask(known, config or {}),
            program=from_keywords(known, given),
        )
        return cls(**layers.merged())

    @classmethod
    def from_options(
        cls, options: argparse.Namespace, config: Mapping[str, Any] | None = None
    ) -> Settings:
        """Return the settings of options that `default_parser` parsed, or that a program made.

        Args:
            options: What it lacks has its default. An attribute that a program assigned counts
                as a flag.
            config: A Flask application's config; its FWS_… values go over everything but flags.

        Raises:
            ConfigurationError: A setting is unknown or wrong, or two don't fit together.
        """
        layers = layers_of(by_name(), options)
        if config is not None:
            layers = replace(layers, application=from_flask(by_name(), config))
        return cls(**layers.merged())

    def checked(self) -> Settings:
        """Return the same settings, each value checked and converted.

        Raises:
            ConfigurationError: A value is wrong.
        """
        known = by_name()
        values = {name: getattr(self, name) for name in known}
        return Settings(**from_keywords(known, values, "settings."))


def table() -> tuple[Field[Any], ...]:
    """Return the settings as dataclass fields; see `fields.setting` for their `metadata`."""
    return fields(Settings)


def by_name() -> dict[str, Field[Any]]:
    """Return the settings by their names."""
    return {each.name: each for each in table()}
