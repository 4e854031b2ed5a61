"""The settings of a server beside a Flask application, or without one."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from flask import Flask

from ..errors import ConfigurationError
from ..settings import Settings, by_name
from ..settings.precedence import Layers, layers_of, layers_of_process
from ..settings.sources import from_flask

PATH = "/ws"
"""Where WebSockets are beside a Flask application, unless FWS_PATH says otherwise."""


def settings_for(
    app: Flask | None, options: Namespace | None = None, settings: Settings | None = None
) -> Settings:
    """Return the settings of a server, beside a Flask application or by itself.

    Args:
        app: Its `app.config["FWS_…"]` goes under the flags in `options`, and its WebSockets are
            at PATH unless something says otherwise; there None means at every path.
        options: Options that a parser made or a program.
        settings: Complete settings in place of options. Without both, those of `Settings.load`.

    Raises:
        ConfigurationError: A setting is wrong, or `settings` have other tokens than `app` needs.
        TypeError: Both options and settings are given.
    """
    known = by_name()
    if settings is None:
        layers = layers_of_process(known) if options is None else layers_of(known, options)
        return Settings(**_beside(app, layers).merged())
    if options is not None:
        raise TypeError("give options or settings, not both")
    chosen = settings.checked()
    if app is None:
        return chosen
    wanted = Settings(**_beside(app, layers_of_process(known)).merged())
    if wanted.auth != chosen.auth:
        raise ConfigurationError(
            f"settings.auth is {chosen.auth}, but {wanted.auth} in the settings of the Flask "
            "application: make them with Settings.load(app.config, …)"
        )
    if chosen.path is None and wanted.path is not None:
        return replace(chosen, path=PATH)
    return chosen


def _beside(app: Flask | None, layers: Layers) -> Layers:
    """Return the layers with those of the application, if there is one."""
    if app is None:
        return layers
    config = from_flask(by_name(), app.config)
    return replace(layers, defaults={"path": PATH, **layers.defaults}, application=config)
