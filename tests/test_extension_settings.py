"""The settings of a Flask application: the precedence of their sources."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from flask import Flask

from fws_gevent.errors import ConfigurationError
from fws_gevent.extension import FilteredWebSocket
from fws_gevent.server import build_server, default_parser
from fws_gevent.settings import Settings

from .flask_sites import flask_app


def test_a_flag_that_repeats_a_default_overrides_the_config() -> None:
    app = flask_app(auth="required", signing_key="k" * 32, token_rate=5, port=1, deflate="off")
    FilteredWebSocket(app)
    flags = ["-p", "9000", "--auth", "off", "--token_rate", "60"]
    for options in (
        default_parser().parse_args(flags),
        default_parser(app).parse_args(flags),
        Namespace(port=9000, auth="off", token_rate=60),
    ):
        settings = build_server(options, application=app).settings
        assert (settings.port, settings.auth, settings.token_rate) == (9000, "off", 60)
        assert (settings.deflate, settings.path) == ("off", "/ws")


def test_options_of_a_program_override_the_config() -> None:
    app = flask_app(grace=1, ping_interval=2)
    FilteredWebSocket(app)
    options = default_parser().parse_args(["-p", "0"])
    options.grace = 7.0
    settings = build_server(options, application=app).settings
    assert (settings.grace, settings.ping_interval) == (7.0, 2.0)


def test_the_config_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    app = flask_app(grace=1, port=0)
    FilteredWebSocket(app)
    monkeypatch.setenv("FWS_GRACE", "2")
    monkeypatch.setenv("FWS_PING_INTERVAL", "3")
    monkeypatch.setenv("FWS_PATH", "/live")
    for parser in (default_parser(), default_parser(app)):
        settings = build_server(parser.parse_args([]), application=app).settings
        assert (settings.grace, settings.ping_interval, settings.path) == (1.0, 3.0, "/live")


def settings_in_each_way(app: Flask) -> list[Settings]:
    """Return the settings of an application in each way of running it."""
    extension = FilteredWebSocket(app)
    first = extension.server.settings  # under gunicorn
    servers = [
        build_server(application=app),
        build_server(Namespace(), application=app),
        build_server(default_parser().parse_args([]), application=app),
        build_server(default_parser(app).parse_args([]), application=app),
        build_server(settings=Settings.load(app.config), application=app),
    ]
    return [first, *(each.settings for each in servers)]


def test_the_path_none_means_every_path_in_each_way_of_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FWS_PATH", "/live")
    app = flask_app(path=None)
    assert [each.path for each in settings_in_each_way(app)] == [None] * 6
    options = default_parser(app).parse_args(["--path", "/flag"])
    assert build_server(options, application=app).settings.path == "/flag"


def test_the_path_is_the_usual_one_where_nothing_says_otherwise() -> None:
    assert [each.path for each in settings_in_each_way(flask_app())] == ["/ws"] * 6


def test_a_server_without_options_has_the_settings_of_the_process_and_the_application(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FWS_GRACE", "2")
    monkeypatch.setenv("FWS_PING_INTERVAL", "3")
    assert build_server().settings == Settings(grace=2.0, ping_interval=3.0)
    app = flask_app(grace=1)
    FilteredWebSocket(app)
    settings = build_server(application=app).settings
    assert (settings.grace, settings.ping_interval, settings.path) == (1.0, 3.0, "/ws")


def test_a_server_has_the_settings_that_it_is_given() -> None:
    given = Settings(port=0, grace=2.0, path="/live")
    assert build_server(settings=given).settings == given
    app = flask_app(grace=1, auth="off")
    FilteredWebSocket(app)
    assert build_server(settings=given, application=app).settings == given
    assert build_server(settings=Settings(port=0), application=app).settings.path == "/ws"


def test_settings_that_a_server_is_given_are_checked() -> None:
    with pytest.raises(ConfigurationError, match=r"settings\.port must be 0 to 65535"):
        build_server(settings=Settings(port=70000))
    with pytest.raises(TypeError, match="options or settings, not both"):
        build_server(Namespace(), settings=Settings())


def test_settings_without_the_tokens_that_the_application_asks_for_are_refused() -> None:
    app = flask_app(auth="required", signing_key="k" * 32)
    FilteredWebSocket(app)
    with pytest.raises(ConfigurationError, match=r"settings\.auth is off, but required") as caught:
        build_server(settings=Settings(port=0), application=app)
    assert "\n" not in str(caught.value)
    settings = Settings.load(app.config, grace=3)
    assert build_server(settings=settings, application=app).settings.auth == "required"


def test_the_environment_names_a_file_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "fws.json"
    file.write_text('{"grace": 2, "ping_interval": 3}')
    monkeypatch.setenv("FWS_CONFIG", str(file))
    monkeypatch.setenv("FWS_GRACE", "")
    settings = FilteredWebSocket(flask_app(ping_interval=4)).server.settings
    assert (settings.grace, settings.ping_interval) == (2.0, 4.0)
