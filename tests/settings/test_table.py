"""The settings: their defaults, their checks and what they hide."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings, by_name, default_of
from fws_gevent.settings.fields import convert

BY_NAME = by_name()


@pytest.mark.parametrize("name", BY_NAME)
def test_every_setting_has_a_help_text_and_a_default_that_passes_its_own_check(name: str) -> None:
    setting = BY_NAME[name]
    assert setting.metadata["help"]
    default = default_of(setting)
    assert convert(setting, default) == default
    assert getattr(Settings(), name) == default


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("port", 9000),
        ("host", "127.0.0.1"),
        ("redis_key", "fws"),
        ("max_message_size", 1048576),
        ("max_queue", 1048576),
        ("ping_interval", 20.0),
        ("ping_timeout", 20.0),
        ("grace", 10.0),
        ("deflate", "on"),
        ("log_format", "text"),
        ("path", None),
        ("auth", "off"),
        ("signing_key", None),
        ("signing_key_files", ()),
        ("signing_algorithm", "HS256"),
        ("token_issuer", "fws"),
        ("token_audience", "fws"),
        ("token_ttl", 3600.0),
        ("token_leeway", 0.0),
        ("token_timeout", 10.0),
        ("token_clients", None),
        ("token_rate", 60),
        ("refresh_ttl", 1209600.0),
        ("refresh_grace", 30.0),
        ("ticket_ttl", 30.0),
        ("admin_password", None),
        ("max_connections", 50_000),
        ("max_connections_per_address", 0),
        ("connect_rate", 0),
        ("message_rate", 50.0),
        ("byte_rate", 1048576.0),
        ("rate_burst", 5.0),
        ("shared_rate", 10.0),
        ("close_spread", 5.0),
    ],
)
def test_the_documented_defaults_hold(name: str, default: Any) -> None:
    assert getattr(Settings(), name) == default


HASH = generate_password_hash("x", method="pbkdf2:sha256:1")

GOOD: list[tuple[str, Any, Any]] = [
    ("port", 0, 0),
    ("port", 65535, 65535),
    ("host", "::1", "::1"),
    ("key", None, None),
    ("key", "a.pem", "a.pem"),
    ("ping_interval", 5, 5.0),
    ("ping_interval", 0, 0.0),
    ("ping_interval", 0.5, 0.5),
    ("filters", ["a", "b.c"], ("a", "b.c")),
    ("filters", (), ()),
    ("deflate", "OFF", "off"),
    ("log_level", "Debug", "debug"),
    ("allowed_origins", ["HTTPS://App.example.com:443"], ("https://app.example.com",)),
    ("allowed_origins", ["*", "null"], ("*", "null")),
    ("trusted_proxies", ["10.0.0.0/8", "::1", "unix"], ("10.0.0.0/8", "::1", "unix")),
    ("path", "/ws", "/ws"),
    ("path", "/", "/"),
    ("path", None, None),
    ("auth", "Required", "required"),
    ("signing_key", "s" * 32, "s" * 32),
    ("signing_key", None, None),
    ("signing_key_files", ["a=b.pem", "c=d=e.pem"], ("a=b.pem", "c=d=e.pem")),
    ("signing_algorithm", "eddsa", "EdDSA"),
    ("signing_algorithm", "EDDSA", "EdDSA"),
    ("signing_algorithm", "rs256", "RS256"),
    ("token_ttl", 1, 1.0),
    ("token_leeway", 0, 0.0),
    ("token_rate", 0, 0),
    ("refresh_ttl", 1.5, 1.5),
    ("refresh_grace", 0, 0.0),
    ("max_connections_per_address", 0, 0),
    ("max_connections_per_address", 50, 50),
    ("connect_rate", 0, 0),
    ("connect_rate", 120, 120),
    ("message_rate", 0, 0.0),
    ("message_rate", 0.5, 0.5),
    ("byte_rate", 0, 0.0),
    ("byte_rate", 1 << 30, float(1 << 30)),
    ("rate_burst", 0.1, 0.1),
    ("shared_rate", 0, 0.0),
    ("shared_rate", 1.5, 1.5),
    ("admin_password", HASH, HASH),
    ("admin_password", None, None),
]

BAD: list[tuple[str, Any]] = [
    ("port", -1),
    ("port", 65536),
    ("port", "9000"),
    ("port", True),
    ("port", 9000.0),
    ("port", None),
    ("host", 5),
    ("host", None),
    ("max_message_size", 0),
    ("max_queue", 0),
    ("max_fragments", 0),
    ("max_runners", 0),
    ("max_connections", 0),
    ("redis_port", 0),
    ("ping_interval", -1),
    ("ping_interval", float("nan")),
    ("ping_interval", float("inf")),
    ("ping_interval", "20"),
    ("grace", False),
    ("filters", "a"),
    ("filters", [1]),
    ("filters", {"a": 1}),
    ("deflate", "yes"),
    ("deflate", True),
    ("log_level", "loud"),
    ("log_format", "xml"),
    ("allowed_origins", ["app.example.com"]),
    ("trusted_proxies", ["proxy.example.com"]),
    ("trusted_proxies", ["10.0.0.0/33"]),
    ("path", "ws"),
    ("path", ""),
    ("path", "/ws?token=1"),
    ("path", "/ws#part"),
    ("path", "/fws/chat"),
    ("host", ""),
    ("host", "127.0.0.1:9000"),
    ("key", ""),
    ("cert", ""),
    ("token", ""),
    ("filters", [""]),
    ("signing_key", ""),
    ("token_issuer", ""),
    ("token_audience", " "),
    ("token_clients", ""),
    ("redis_url", ""),
    ("redis_host", "redis:6379"),
    ("redis_key", "{fws}"),
    ("redis_channels", ["news[]"]),
    ("publish_timeout", 0.001),
    ("allowed_origins", ["https://*.example.com"]),
    ("allowed_origins", ["https://app.example.com/chat"]),
    ("subprotocols", ["my proto"]),
    ("auth", "yes"),
    ("auth", True),
    ("signing_key_files", "a=b.pem"),
    ("signing_key_files", ["b.pem"]),
    ("signing_key_files", ["=b.pem"]),
    ("signing_key_files", ["a="]),
    ("signing_algorithm", "none"),
    ("signing_algorithm", "HS512"),
    ("signing_algorithm", ""),
    ("token", ""),
    ("token", "a" * 256),
    ("token", "two\nlines"),
    ("token_ttl", 0),
    ("token_ttl", 0.5),
    ("token_ttl", float("nan")),
    ("token_ttl", 10**400),
    ("token_timeout", 0),
    ("token_leeway", -1),
    ("token_rate", -1),
    ("token_issuer", None),
    ("token_audience", 5),
    ("refresh_ttl", 0),
    ("refresh_grace", -1),
    ("ticket_ttl", 0),
    ("max_connections_per_address", -1),
    ("max_connections_per_address", 1.5),
    ("connect_rate", -1),
    ("connect_rate", 0.5),
    ("message_rate", -1),
    ("message_rate", "50"),
    ("message_rate", float("nan")),
    ("byte_rate", -0.1),
    ("byte_rate", float("inf")),
    ("rate_burst", 0),
    ("rate_burst", -1),
    ("shared_rate", -1),
    ("shared_rate", True),
]

WRONG_SECRETS: list[tuple[str, Any]] = [
    ("admin_password", "the-password-itself"),
    ("admin_password", "scrypt:the-password-itself"),
    ("admin_password", ["the-password-itself"]),
    ("signing_key", ["the-password-itself"]),
    ("redis_url", {"url": "the-password-itself"}),
]


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_value_that_fits_is_taken_and_converted(name: str, value: Any, expected: Any) -> None:
    result = convert(BY_NAME[name], value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_value_that_does_not_fit_is_refused_and_shown(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        convert(BY_NAME[name], value)
    is_list = isinstance(value, list) and isinstance(value[0], str)
    shown = f", not {(value[0] if is_list else value)!r}"
    assert str(caught.value).endswith(shown) != BY_NAME[name].metadata["secret"]


@pytest.mark.parametrize(("name", "value"), WRONG_SECRETS)
def test_a_secret_that_does_not_fit_is_refused_and_not_shown(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        convert(BY_NAME[name], value)
    assert "the-password-itself" not in str(caught.value)


def test_the_secret_settings_are_these() -> None:
    secret = {name for name, setting in BY_NAME.items() if setting.metadata["secret"]}
    assert secret == {"signing_key", "admin_password", "redis_url"}


@pytest.mark.parametrize("secret", ["signing_key", "admin_password", "redis_url"])
@pytest.mark.parametrize("shown", [repr, str, "{}".format])
def test_settings_do_not_show_their_secrets(secret: str, shown: Callable[[Any], str]) -> None:
    given = Settings(**{secret: "the-secret-itself"})  # type: ignore[arg-type]
    assert getattr(given, secret) == "the-secret-itself"
    assert "the-secret-itself" not in shown(given)
    assert "port=9000" in shown(given)


@pytest.mark.parametrize("auth", ["optional", "required"])
def test_a_group_for_those_without_a_token_does_not_go_with_tokens(auth: str) -> None:
    with pytest.raises(ConfigurationError, match="-token names a group"):
        Settings(token="group", auth=auth)
    assert Settings(token="group").auth == "off"
    assert Settings(auth=auth).token is None


@pytest.mark.parametrize("given", [{"key": "k.pem"}, {"cert": "c.pem"}])
def test_a_key_without_its_certificate_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="-key and -cert"):
        Settings(**given)  # type: ignore[arg-type]
    assert Settings(key="k.pem", cert="c.pem").cert == "c.pem"


def test_a_port_of_redis_without_its_host_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--redis_port needs --redis_host"):
        Settings(redis_port=6380)
    with pytest.raises(ConfigurationError, match="--redis_port needs --redis_host"):
        Settings(redis_port=6380, redis_url="redis://redis")
    assert Settings(redis_port=6380, redis_host="redis").redis_port == 6380


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_an_algorithm_without_its_keys_is_refused(algorithm: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{algorithm} needs --signing_key_files"):
        Settings(signing_algorithm=algorithm)
    assert Settings(signing_algorithm=algorithm, signing_key_files=("a=b",)).signing_key is None


@pytest.mark.parametrize(
    ("host", "path"),
    [("unix:/run/fws.sock", "/run/fws.sock"), ("127.0.0.1", None), ("/run/fws.sock", None)],
)
def test_a_unix_host_names_a_socket_file(host: str, path: str | None) -> None:
    assert Settings(host=host).socket_path == path


def test_the_proxies_are_ready_to_compare_with() -> None:
    given = Settings(trusted_proxies=("10.0.0.7/8", "::1", "unix"))
    assert given.proxies == (ip_network("10.0.0.0/8"), ip_network("::1"), "unix")


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_options_give_settings_and_what_they_lack_has_its_default() -> None:
    options = argparse.Namespace(port=1, filters=["a"], key=None, other="of the program's own")
    given = Settings.from_options(options)
    assert given == Settings(port=1, filters=("a",))


def test_options_are_checked_and_the_flag_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^options.max_queue must be 1 or more, not 0"):
        Settings.from_options(argparse.Namespace(max_queue=0))
