"""Each source of settings gives converted values, and names a mistake."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings, by_name, sources, table

KEY = "0123456789abcdef0123456789abcdef"
KNOWN = by_name()
from_environment = partial(sources.from_environment, KNOWN)
from_file = partial(sources.from_file, KNOWN)
from_flask = partial(sources.from_flask, KNOWN)
from_keywords = partial(sources.from_keywords, KNOWN)
from_process = partial(sources.from_process, KNOWN)

HASH = generate_password_hash("x", method="pbkdf2:sha256:1")


def test_the_environment_gives_converted_values_of_what_it_names() -> None:
    environ = {
        "FWS_PORT": "1",
        "FWS_PING_INTERVAL": "0.5",
        "FWS_FILTERS": "a, b.c,,",
        "FWS_DEFLATE": "OFF",
        "FWS_ALLOWED_ORIGINS": "http://A.example:80",
        "FWS_SIGNING_KEY": KEY,
        "FWS_SIGNING_KEY_FILES": "new=n.pem, old=o.pem",
        "FWS_SIGNING_ALGORITHM": "eddsa",
        "FWS_ADMIN_PASSWORD": HASH,
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
        "signing_key": KEY,
        "signing_key_files": ("new=n.pem", "old=o.pem"),
        "signing_algorithm": "EdDSA",
        "admin_password": HASH,
    }


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("FWS_PORT", "many", "must be a whole number, not 'many'"),
        ("FWS_PORT", "70000", "must be 0 to 65535"),
        ("FWS_GRACE", "soon", "must be a number of seconds"),
        (
            "FWS_TRUSTED_PROXIES",
            "::1,there",
            "must be an address",
        ),
        ("FWS_PROT", "1", "; did you mean FWS_PORT?"),
        ("FWS_PATH", "ws", "must be a path such as /ws, not 'ws'"),
        (
            "FWS_AUTH",
            "yes",
            "must be one of off, optional, required, not 'yes'",
        ),
        (
            "FWS_SIGNING_KEY_FILES",
            "a=b,c",
            "must look like KID=FILE",
        ),
        (
            "FWS_TOKEN_TTL",
            "0",
            "must be 1 second or more, not '0'",
        ),
        (
            "FWS_SIGNIN_KEY",
            "1",
            "; did you mean FWS_SIGNING_KEY?",
        ),
        ("FWS_", "1", "unknown setting FWS_ in "),
        ("FWS_port", "1", "unknown setting FWS_port in "),
        ("FWS_PROT", "", "unknown setting FWS_PROT in "),
        ("FWS_HOST", "a b", "must be an address or the name of a host"),
        (
            "FWS_ALLOWED_ORIGINS",
            "https://*.a.example",
            "must look like https",
        ),
        ("FWS_SUBPROTOCOLS", "my proto", "must be a token"),
    ],
)
def test_a_wrong_or_unknown_variable_is_refused_by_name(name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment({name: text})
    assert says in str(caught.value)
    assert f"{name} in the environment" in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_an_empty_variable_is_one_that_is_not_set(text: str) -> None:
    assert from_environment({f"FWS_{each.name.upper()}": text for each in table()}) == {}


def test_a_comma_alone_is_an_empty_list() -> None:
    assert from_environment({"FWS_REDIS_CHANNELS": ","}) == {"redis_channels": ()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fws.json"


def test_a_file_gives_converted_values_of_what_it_names(file: Path) -> None:
    content = {"port": 1, "filters": ["a", "b"], "ping_interval": 5, "key": None, "deflate": "off"}
    content |= {"signing_key": KEY, "admin_password": HASH, "token_ttl": 60, "path": "/ws"}
    file.write_text(json.dumps(content))
    assert from_file(str(file)) == content | {"filters": ("a", "b")}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"prot": 1}', "unknown setting 'prot' in FILE; did you mean port?"),
        (b'{"config": "other.json"}', "unknown setting 'config' in FILE"),
        (b'{"port": "1"}', "port in FILE must be a number, not '1'"),
        (b'{"filters": "a"}', "filters in FILE must be a list of strings"),
        (b'{"ping_timeout": NaN}', "ping_timeout in FILE must be a number of seconds"),
        (b"[]", "must be a JSON object"),
        (b'{"signing_algorithm": "none"}', "signing_algorithm in FILE must be one of HS256"),
        (b'{"port": ' + b"1" * 5000 + b"}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b'{"host": "\xff"}', "not UTF-8"),
        (b'{"host": ""}', "host in FILE must be an address"),
        (b'{"port": 1, "grace": 2, "port": 3}', "is not JSON: 'port' is there twice"),
        (b'{"host": "\\ud800"}', "host in FILE must be an address"),
        (b'{"redis_key": ""}', "redis_key in FILE must be a non-empty string"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        from_file(str(file))
    assert says.replace("FILE", str(file)) in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_environment_names_a_file_that_goes_over_it(file: Path, tmp_path: Path) -> None:
    file.write_text('{"port": 2}')
    environ = {"FWS_PORT": "1", "FWS_GRACE": "3", "FWS_CONFIG": str(file)}
    assert from_process(environ) == {"port": 2, "grace": 3.0}
    other = tmp_path / "other.json"
    other.write_text('{"port": 5}')
    assert from_process(environ, str(other)) == {"port": 5, "grace": 3.0}
    assert from_process(environ | {"FWS_CONFIG": ""}) == {"port": 1, "grace": 3.0}
    with pytest.raises(ConfigurationError, match="name of the configuration file is empty"):
        from_process(environ, "")


def test_keyword_arguments_of_a_program_are_checked_too() -> None:
    given = from_keywords({"path": "/live", "allowed_origins": ["HTTPS://A.example:443"]})
    assert given == {"path": "/live", "allowed_origins": ("https://a.example",)}
    with pytest.raises(ConfigurationError, match=r"^host must be an address"):
        from_keywords({"host": ""})
    with pytest.raises(ConfigurationError, match=r"unknown setting prot; did you mean port\?"):
        from_keywords({"prot": 1})


def test_a_file_that_is_not_there_is_refused_by_its_name(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file") as caught:
        from_file(str(file))
    assert str(file) in str(caught.value)


def test_a_flask_config_gives_converted_values_of_what_it_names() -> None:
    app = Flask(__name__)
    app.config.update(
        FWS_PATH="/live",
        FWS_PING_INTERVAL=5,
        FWS_FILTERS=["a", "b.c"],
        FWS_ALLOWED_ORIGINS=("http://A.example:80",),
        FWS_SIGNING_ALGORITHM="eddsa",
        FWS_SIGNING_KEY=KEY,
        FWS_KEY=None,
        SECRET_KEY="of the application",
        NOT_FWS_PORT="x",
        PORT="x",
    )
    given = from_flask(app.config)
    assert given == {
        "path": "/live",
        "ping_interval": 5.0,
        "filters": ("a", "b.c"),
        "allowed_origins": ("http://a.example",),
        "signing_algorithm": "EdDSA",
        "signing_key": KEY,
        "key": None,
    }
    assert type(given["ping_interval"]) is float
    assert Settings(**given).path == "/live"


def test_a_flask_config_without_settings_gives_none() -> None:
    assert from_flask(Flask(__name__).config) == {}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FWS_PORT", "9000", "must be a number, not '9000'"),
        ("FWS_PORT", True, "must be a number, not True"),
        ("FWS_PORT", 1.0, "must be a whole number, not 1.0"),
        ("FWS_PORT", None, "must be a number, not None"),
        ("FWS_FILTERS", "a", "must be a list of strings, not 'a'"),
        ("FWS_PATH", "live", "must be a path such as /ws, not 'live'"),
        (
            "FWS_AUTH",
            "on",
            "must be one of off, optional, required, not 'on'",
        ),
        ("FWS_PROT", 1, "; did you mean FWS_PORT?"),
        (
            "FWS_SIGNING_KEYS",
            KEY,
            "; did you mean FWS_SIGNING_KEY",
        ),
        ("FWS_port", 1, "unknown setting FWS_port in "),
        ("FWS_", 1, "unknown setting FWS_ in "),
        ("FWS_HOST", "", "must be an address"),
        ("FWS_REDIS_URL", "", "must be a non-empty string"),
        ("FWS_FILTERS", ["a", ""], "must be a non-empty string"),
    ],
)
def test_a_wrong_or_unknown_key_of_a_flask_config_is_refused_by_name(
    name: str, value: Any, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_flask({name: value})
    assert says in str(caught.value)
    assert f"{name} in app.config" in str(caught.value)
    assert KEY not in str(caught.value)


def read(source: str, name: str, value: Any, file: Path) -> dict[str, Any]:
    """Return the settings of a source with one value."""
    if source == "environment":
        return from_environment({f"FWS_{name.upper()}": value})
    if source == "file":
        file.write_text(json.dumps({name: value}))
        return from_file(str(file))
    return from_flask({f"FWS_{name.upper()}": value})


@pytest.mark.parametrize("source", ["environment", "file", "flask"])
def test_a_wrong_secret_is_told_by_name_and_not_shown(source: str, file: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(source, "admin_password", "the-password-itself", file)
    assert "admin_password" in str(caught.value).lower()
    assert "must be a hash" in str(caught.value)
    assert "the-password-itself" not in str(caught.value)


@pytest.mark.parametrize("source", ["file", "flask"])
@pytest.mark.parametrize("name", ["signing_key", "admin_password", "redis_url"])
def test_a_secret_of_the_wrong_type_is_not_shown(name: str, source: str, file: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be a string") as caught:
        read(source, name, [KEY], file)
    assert KEY not in str(caught.value)


def test_a_secret_in_a_file_that_is_not_json_is_not_shown(file: Path) -> None:
    file.write_text(f'{{"signing_key": "{KEY}", "port": }}')
    with pytest.raises(ConfigurationError, match="is not JSON") as caught:
        from_file(str(file))
    assert KEY not in str(caught.value)
