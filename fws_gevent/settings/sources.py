"""The places that settings come from: the environment, a JSON file, a Flask app's config."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .fields import but_not, checked
from .platform import is_of_platform
from .table import table
from .values import Parse

ENVIRONMENT_PREFIX = "FWS_"

FILE_VARIABLE = "FWS_CONFIG"
"""The variable that names a JSON file of settings."""


def from_process(environ: Mapping[str, str], file: str | None = None) -> dict[str, Any]:
    """Return the settings of the environment, and over them those of a JSON file.

    That is `file`, or else the one that FWS_CONFIG names. Raises ConfigurationError.
    """
    given = from_environment(environ)
    path = file if file is not None else environ.get(FILE_VARIABLE, "").strip() or None
    return given if path is None else given | from_file(path)


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that FWS_… variables give; those that take many are separated by commas.

    An empty variable is one that is not set, and a comma alone an empty list. What a platform
    sets for services that are called so is left alone. Raises ConfigurationError for a value
    that is wrong and for an FWS_ name that is none.
    """
    known = {ENVIRONMENT_PREFIX + each.name.upper(): each for each in table()}
    given: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name == FILE_VARIABLE:
            continue
        if is_of_platform(name, environ):
            continue
        setting = known.get(name)
        if setting is None:
            raise ConfigurationError(f"environment: unknown setting {name}{_guess(name, known)}")
        if not text.strip():
            continue
        parse: Parse = setting.metadata["parse"]
        try:
            if setting.metadata["many"]:
                parts = [part.strip() for part in text.split(",") if part.strip()]
                given[setting.name] = tuple(parse(part) for part in parts)
            else:
                given[setting.name] = parse(text)
        except ValueError as error:
            wrong = f"environment: {name} {error}{but_not(setting, text)}"
            raise ConfigurationError(wrong) from None
    return given


def from_file(path: str) -> dict[str, Any]:
    """The settings in a JSON file, an object with long option names as keys.

    Raises ConfigurationError.
    """
    if not path:
        raise ConfigurationError("the name of the configuration file is empty")
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"can't read configuration {path}: {reason}") from None
    try:
        content = json.loads(text, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
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


def from_flask(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among a Flask application's config, which are those called FWS_….

    Raises ConfigurationError for a value that is wrong and for an FWS_ name that is none.
    """
    known = {ENVIRONMENT_PREFIX + each.name.upper(): each for each in table()}
    given: dict[str, Any] = {}
    for name, value in config.items():
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        setting = known.get(name)
        if setting is None:
            raise ConfigurationError(f"app.config: unknown setting {name}{_guess(name, known)}")
        given[setting.name] = checked(setting, value, f"app.config: {name}")
    return given


def from_keywords(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a program gives by name. Raises ConfigurationError."""
    known = {each.name: each for each in table()}
    for name in given:
        if name not in known:
            raise ConfigurationError(f"unknown setting {name}{_guess(name, known)}")
    return {name: checked(known[name], value, name) for name, value in given.items()}


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, as an `object_pairs_hook` of json.

    Raises ValueError if a name is there twice.
    """
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} is there twice")
    return dict(pairs)


def _guess(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else ""
