"""The settings of a server beside a Flask application, or without one."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from functools import partial

from flask import Flask

from ..errors import ConfigurationError
from ..settings import Settings

PATH = "/ws"
"""Where WebSockets are beside a Flask application, unless FWS_PATH says otherwise."""


def settings_for(
    app: Flask | None, options: Namespace | None = None, settings: Settings | None = None
) -> Settings:
    """Return the settings of a server, beside a Flask application or by itself.

    Args:
        app: Its `app.config["FWS_…"]` goes under the flags in `options`, and its WebSockets are
            at PATH unless something says otherwise.
        options: Options that a parser made or a program.
        settings: Complete settings in place of options. Without both, those of `Settings.load`.

    Raises:
        ConfigurationError: A setting is wrong, or `settings` have other tokens than `app` needs.
        TypeError: Both options and settings are given.
    """
    config = None if app is None else app.config
    if settings is None:
        load = Settings.load if options is None else partial(Settings.from_options, options)
        chosen = load(config)
    elif options is not None:
        raise TypeError("give options or settings, not both")
    else:
        chosen = settings.checked()
        wanted = None if config is None else Settings.load(config).auth
        if wanted not in (None, chosen.auth):
            raise ConfigurationError(
                f"settings.auth is {chosen.auth}, but {wanted} in the settings of the Flask "
                "application: make them with Settings.load(app.config, …)"
            )
    return replace(chosen, path=PATH) if app is not None and chosen.path is None else chosen
