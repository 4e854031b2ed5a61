"""The sources of settings: the environment, a JSON file, a Flask app's config, flags, keywords.

Each function returns the settings that one source gives, converted, and raises
ConfigurationError, which names the setting as its source does. `known` are all settings by name.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import Field
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .fields import convert, convert_text, convert_texts
from .platform import is_of_platform

ENVIRONMENT_PREFIX = "FWS_"

FILE_VARIABLE = "FWS_CONFIG"
"""The variable that names a JSON file of settings."""

Known = Mapping[str, Field[Any]]


def from_environment(known: Known, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of FWS_… variables, in which commas separate the parts of a list.

    An empty variable counts as one that is not set, a comma alone as an empty list. Variables
    that a platform sets for services of such a name are left alone.
    """
    by_variable = {ENVIRONMENT_PREFIX + name.upper(): each for name, each in known.items()}
    given: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name == FILE_VARIABLE:
            continue
        if is_of_platform(name, environ):
            continue
        where = f"{name} in the environment"
        setting = _known(name, by_variable, where)
        if not text.strip():
            continue
        if setting.metadata["many"]:
            parts = [part.strip() for part in text.split(",") if part.strip()]
            given[setting.name] = _convert(convert_texts, setting, parts, where)
        else:
            given[setting.name] = _convert(convert_text, setting, text, where)
    return given


def from_file(known: Known, path: str) -> dict[str, Any]:
    """Return the settings of a JSON file: an object whose keys are the names of settings."""
    content = _object_in(path)
    return {
        name: _convert(
            convert, _known(name, known, f"{name!r} in {path}"), value, f"{name} in {path}"
        )
        for name, value in content.items()
    }


def from_process(
    known: Known, environ: Mapping[str, str], file: str | None = None
) -> dict[str, Any]:
    """Return the settings of the environment, and over them those of a JSON file.

    That is `file`, or else the one that FWS_CONFIG names.
    """
    given = from_environment(known, environ)
    path = file if file is not None else environ.get(FILE_VARIABLE, "").strip() or None
    return given if path is None else given | from_file(known, path)


def from_flask(known: Known, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a Flask application's config: its keys that begin with FWS_."""
    by_key = {ENVIRONMENT_PREFIX + name.upper(): each for name, each in known.items()}
    given: dict[str, Any] = {}
    for name, value in config.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            where = f"{name} in app.config"
            setting = _known(name, by_key, where)
            given[setting.name] = _convert(convert, setting, value, where)
    return given


def from_keywords(known: Known, given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return the settings that a program gives by name; `where` stands before names in errors."""
    return {
        name: _convert(convert, _known(name, known, where + name), value, where + name)
        for name, value in given.items()
    }


def from_flags(
    known: Known, texts: Mapping[str, str | list[str]], named: Mapping[str, str]
) -> dict[str, Any]:
    """Return the settings of flags, as argparse collects them; `named` is for errors."""
    return {
        name: _convert(
            convert_text if isinstance(text, str) else convert_texts, known[name], text, named[name]
        )
        for name, text in texts.items()
    }


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, as an `object_pairs_hook` of json.

    Raises ValueError if a name is there twice.
    """
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} is there twice")
    return dict(pairs)


def _object_in(path: str) -> dict[str, Any]:
    """Return the JSON object in a file. Raises ConfigurationError."""
    if not path:
        raise ConfigurationError("the name of the configuration file is empty")
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"can't read configuration file {path}: {reason}") from None
    try:
        content = json.loads(text, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"configuration file {path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"configuration file {path} must be a JSON object")
    return content


def _convert(
    function: Callable[[Field[Any], Any], Any], setting: Field[Any], value: Any, where: str
) -> Any:
    try:
        return function(setting, value)
    except ValueError as error:
        raise ConfigurationError(f"{where} {error}") from None


def _known(name: str, known: Known, where: str) -> Field[Any]:
    """Return a setting by its name in a source. Raises ConfigurationError, with a suggestion."""
    setting = known.get(name)
    if setting is None:
        close = difflib.get_close_matches(name, known, 1)
        suggestion = f"; did you mean {close[0]}?" if close else ""
        raise ConfigurationError(f"unknown setting {where}{suggestion}")
    return setting
