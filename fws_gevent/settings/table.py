"""The table of all settings of a server: name, default, bounds, help text and flag of each.

A new setting goes here, and into docs/settings.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any, Final

from ..errors import ConfigurationError
from ..protocol.forwarded import Network, parse_networks
from .fields import setting as _setting
from .precedence import Layers, layers_of, layers_of_process
from .sources import from_flask, from_keywords
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
from .values import answer_time, kept_time, lifetime, one_of, positive, rate, seconds, whole

_REDIS_PORT = 6379

SECTIONS: Final = {
    "port": "network",
    "filters": "filters and logging",
    "auth": "tokens",
    "redis_url": "Redis",
    "max_connections": "limits",
    "ping_interval": "times",
}
"""The sections of the table and of the help text, each by its first setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a server.

    `Settings(port=9100)` takes values as they are; `Settings.load` also reads other sources, and
    checks each value.

    Raises:
        ConfigurationError: Two settings don't fit together.
    """

    # Network
    port: int = _setting(
        9000, whole(0, 65535), "port to listen on; 0 selects a free one", "-p", "--port"
    )
    host: str = _setting(
        "127.0.0.1", listening_host, "address to listen on, or unix:PATH for a socket file"
    )
    key: str | None = _setting(
        None, file_name, "private key for TLS, a PEM file; needs -cert", "-key"
    )
    cert: str | None = _setting(
        None, file_name, "certificate for TLS, a PEM file; needs -key", "-cert"
    )
    path: str | None = _setting(
        None, url_path, "path of WebSockets; without it every path is one, beside Flask /ws"
    )
    allowed_origins: tuple[str, ...] = _setting(
        (), origin, "other sites whose pages may connect (https://app.example.com), or *"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), proxy, "proxies whose X-Forwarded-* headers count: addresses, networks or unix"
    )
    subprotocols: tuple[str, ...] = _setting(
        (), subprotocol, "subprotocols of the filters, the preferred first"
    )
    deflate: str = _setting("on", one_of("on", "off"), "compression: permessage-deflate")
    # Filters and logging
    filters: tuple[str, ...] = _setting(
        (), text, "modules of filters to import, in order", "-f", "--filters"
    )
    token: str | None = _setting(
        None, group, "group of connections without a token; with --auth off only", "-token"
    )
    max_runners: int = _setting(2000, whole(1), "filters that may wait at the same time")
    offload_threads: int = _setting(10, whole(1), "threads for filters with `offload`")
    log_level: str = _setting(
        "info", one_of("debug", "info", "warning", "error"), "lowest level that is logged"
    )
    log_format: str = _setting("text", one_of("text", "json"), "format of the log")
    # Tokens
    auth: str = _setting("off", one_of("off", "optional", "required"), "tokens of connections")
    signing_key: str | None = _setting(
        None, secret, "secret that signs tokens, of 32 bytes or more", secret=True, flag=False
    )
    signing_key_files: tuple[str, ...] = _setting(
        (), key_file, "keys that check tokens, as KID=FILE; the first one signs"
    )
    signing_algorithm: str = _setting(
        "HS256", one_of("HS256", "RS256", "ES256", "EdDSA"), "algorithm of signatures"
    )
    token_issuer: str = _setting("fws", text, "`iss` of tokens")
    token_audience: str = _setting("fws", text, "`aud` of tokens")
    token_ttl: float = _setting(3600.0, lifetime, "seconds for which a token is valid")
    token_leeway: float = _setting(
        0.0, seconds, "seconds that the clocks of other issuers may differ from this one"
    )
    token_timeout: float = _setting(
        10.0, lifetime, "seconds within which a required token must arrive"
    )
    token_clients: str | None = _setting(
        None, file_name, "JSON file of the programs that may request tokens"
    )
    token_rate: int = _setting(
        60, whole(0), "requests for tokens per minute from one address; 0 for no limit"
    )
    refresh_ttl: float = _setting(
        14 * 86400.0, lifetime, "seconds for which a refresh token is valid"
    )
    refresh_grace: float = _setting(
        30.0, seconds, "seconds within which a used refresh token may be sent again; 0 for never"
    )
    ticket_ttl: float = _setting(30.0, lifetime, "seconds for which a ticket is valid")
    admin_password: str | None = _setting(
        None, password_hash, "hash of the status page's password", secret=True, flag=False
    )
    # Redis
    redis_url: str | None = _setting(
        None, secret, "Redis that joins nodes, such as redis://127.0.0.1:6379/0", secret=True
    )
    redis_host: str | None = _setting(None, host_name, "host of Redis, in place of --redis_url")
    redis_port: int = _setting(_REDIS_PORT, whole(1, 65535), "port of Redis at --redis_host")
    redis_key: str = _setting("fws", key_prefix, "prefix of all Redis keys")
    redis_channels: tuple[str, ...] = _setting(
        ("global",), channel, "channels of Redis, or patterns, for the consumer chain"
    )
    redis_history: int = _setting(
        10_000, whole(1), "messages of a group that Redis keeps for nodes that missed them"
    )
    redis_history_size: int = _setting(
        16 << 20, whole(1), "bytes of a group's messages that Redis keeps, approximately"
    )
    redis_history_time: float = _setting(
        3600.0, kept_time, "seconds that Redis keeps them after the last one, 30 or more"
    )
    publish_timeout: float = _setting(
        2.0, answer_time, "seconds within which Redis must accept a message; then it has failed"
    )
    redis_away: str = _setting(
        "fail",
        one_of("fail", "local"),
        "effect of a broadcast while Redis is away; local: this node's clients alone get it",
    )
    # Limits
    max_connections: int = _setting(
        50_000, whole(1), "open WebSockets per process; further ones get 503"
    )
    max_connections_per_address: int = _setting(
        0, whole(0), "open WebSockets from one address; 0 for no limit"
    )
    connect_rate: int = _setting(
        0, whole(0), "WebSockets opened per minute by an address, or a subject; 0 for no limit"
    )
    max_message_size: int = _setting(1 << 20, whole(1), "bytes of one message from a client")
    max_fragments: int = _setting(4096, whole(1), "fragments of one message")
    max_queue: int = _setting(1 << 20, whole(1), "bytes of waiting output of one connection")
    max_queue_time: float = _setting(
        10.0, seconds, "seconds for which more may wait; then a slow client is closed with 1013"
    )
    message_rate: float = _setting(
        50.0, rate, "messages per second, with the filter rate_limit; 0 for no limit"
    )
    byte_rate: float = _setting(
        1024.0 * 1024, rate, "bytes per second, with the filter rate_limit; 0 for no limit"
    )
    rate_burst: float = _setting(
        5.0, positive, "seconds' worth of both rates that may arrive at once"
    )
    shared_rate: float = _setting(
        10.0,
        rate,
        "multiple of both rates for all connections of a subject, and of an address; "
        "0 for no limit",
    )
    # Times
    ping_interval: float = _setting(
        20.0, seconds, "seconds of silence before a ping; 0 for no pings"
    )
    ping_timeout: float = _setting(20.0, seconds, "seconds to answer a ping")
    close_timeout: float = _setting(5.0, seconds, "seconds to answer a Close")
    request_timeout: float = _setting(
        10.0, seconds, "seconds for a TLS handshake, a request's head, and the next request"
    )
    grace: float = _setting(10.0, seconds, "seconds to close all connections at the shutdown")
    close_spread: float = _setting(
        5.0, seconds, "seconds over which these closes are spread, half of the grace at most"
    )

    def __post_init__(self) -> None:
        if (self.key is None) != (self.cert is None):
            raise ConfigurationError("TLS needs both -key and -cert: give the other one too")
        if self.redis_url is not None and self.redis_host is not None:
            raise ConfigurationError("--redis_url and --redis_host name the same Redis: give one")
        if self.redis_port != _REDIS_PORT and self.redis_host is None:
            raise ConfigurationError("--redis_port needs --redis_host; a URL has its own port")
        # Without any key a server on loopback takes a random one, which is for HS256.
        keyless = self.signing_key is None and not self.signing_key_files
        if self.signing_algorithm != "HS256" and keyless:
            raise ConfigurationError(
                f"--signing_algorithm {self.signing_algorithm} needs --signing_key_files"
            )
        if self.token is not None and self.auth != "off":
            raise ConfigurationError("-token names a group, and needs --auth off")

    @property
    def socket_path(self) -> str | None:
        """The socket file to listen on, or None if `host` is an address."""
        prefix = UNIX_PREFIX
        return self.host.removeprefix(prefix) if self.host.startswith(prefix) else None

    @property
    def proxies(self) -> tuple[Network | str, ...]:
        """The networks of `trusted_proxies`, and "unix"."""
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
        return cls._of(layers_of_process(by_name(), given), config)

    @classmethod
    def from_options(
        cls, options: argparse.Namespace, config: Mapping[str, Any] | None = None
    ) -> Settings:
        """Return the settings of options that `default_parser` parsed, or that a program made.

        Args:
            options: Missing attributes have their defaults. An attribute that a program assigned
                counts as a flag.
            config: A Flask application's config; its FWS_… values go over everything but flags.

        Raises:
            ConfigurationError: A setting is unknown or wrong, or two don't fit together.
        """
        return cls._of(layers_of(by_name(), options), config)

    @classmethod
    def _of(cls, layers: Layers, config: Mapping[str, Any] | None) -> Settings:
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
