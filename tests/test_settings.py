"""The settings: defaults, checks, and the places that they come from."""

from __future__ import annotations

import argparse
import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import (
    Settings,
    checked,
    default_of,
    from_environment,
    from_file,
    table,
)

BY_NAME = {setting.name: setting for setting in table()}


@pytest.mark.parametrize("name", BY_NAME)
def test_every_setting_has_a_help_text_and_a_default_that_passes_its_own_check(name: str) -> None:
    setting = BY_NAME[name]
    assert setting.metadata["help"]
    default = default_of(setting)
    assert checked(setting, default, "default") == default
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
    ],
)
def test_the_documented_defaults_hold(name: str, default: Any) -> None:
    assert getattr(Settings(), name) == default


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
]


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_value_that_fits_is_taken_and_converted(name: str, value: Any, expected: Any) -> None:
    result = checked(BY_NAME[name], value, "here")
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_value_that_does_not_fit_is_refused_with_its_source(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked(BY_NAME[name], value, "the source of it")
    assert str(caught.value).startswith("the source of it: must ")
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("given", [{"key": "k.pem"}, {"cert": "c.pem"}])
def test_a_key_without_its_certificate_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="-key and -cert"):
        Settings(**given)  # type: ignore[arg-type]
    assert Settings(key="k.pem", cert="c.pem").cert == "c.pem"


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
    with pytest.raises(ConfigurationError, match=r"^--max_queue: must be"):
        Settings.from_options(argparse.Namespace(max_queue=0))


def test_the_environment_gives_converted_values_of_what_it_names() -> None:
    environ = {
        "FWS_PORT": "1",
        "FWS_PING_INTERVAL": "0.5",
        "FWS_FILTERS": "a, b.c,,",
        "FWS_DEFLATE": "OFF",
        "FWS_ALLOWED_ORIGINS": "http://A.example:80",
        "FWS_CONFIG": "read elsewhere",
        "PORT": "2",
        "NOT_FWS_HOST": "x",
    }
    assert from_environment(environ) == {
        "port": 1,
        "ping_interval": 0.5,
        "filters": ("a", "b.c"),
        "deflate": "off",
        "allowed_origins": ("http://a.example",),
    }


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("FWS_PORT", "many", "FWS_PORT must be a whole number, not 'many'"),
        ("FWS_PORT", "", "FWS_PORT must be a whole number"),
        ("FWS_PORT", "70000", "FWS_PORT must be 0 to 65535"),
        ("FWS_GRACE", "soon", "FWS_GRACE must be a number of seconds"),
        ("FWS_TRUSTED_PROXIES", "::1,there", "FWS_TRUSTED_PROXIES must be an address"),
        ("FWS_PROT", "1", "unknown setting FWS_PROT; did you mean FWS_PORT?"),
        ("FWS_", "1", "unknown setting FWS_"),
        ("FWS_port", "1", "unknown setting FWS_port"),
    ],
)
def test_a_wrong_or_unknown_variable_is_refused_by_name(name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment({name: text})
    assert says in str(caught.value)
    assert "environment" in str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fws.json"


def test_a_file_gives_converted_values_of_what_it_names(file: Path) -> None:
    content = {"port": 1, "filters": ["a", "b"], "ping_interval": 5, "key": None, "deflate": "off"}
    file.write_text(json.dumps(content))
    assert from_file(str(file)) == content | {"filters": ("a", "b")}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"prot": 1}', "unknown setting 'prot'; did you mean port?"),
        (b'{"config": "other.json"}', "unknown setting 'config'"),
        (b'{"port": "1"}', "port: must be a number, not '1'"),
        (b'{"filters": "a"}', "filters: must be a list of texts"),
        (b'{"ping_timeout": NaN}', "ping_timeout: must be a number of seconds"),
        (b"[]", "must be a JSON object"),
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b'{"host": "\xff"}', "not UTF-8"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        from_file(str(file))
    assert says in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_refused_by_its_name(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file") as caught:
        from_file(str(file))
    assert str(file) in str(caught.value)
