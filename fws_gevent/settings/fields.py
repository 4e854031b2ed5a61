"""A setting as a dataclass field: how it is described, and how its values are checked."""

from __future__ import annotations

from dataclasses import MISSING, Field, field
from typing import Any

from ..errors import ConfigurationError
from .values import Parse


def setting(
    default: Any,
    parse: Parse,
    text: str,
    *flags: str,
    many: bool = False,
    secret: bool = False,
    flag: bool = True,
) -> Any:  # a dataclass field, which dataclass() gives the type of the annotation
    """Return the field of one setting: its default, its check, its help text and its flags.

    `many` settings are lists, a `secret` one is shown nowhere, and one without a `flag` stands in
    files or the environment alone.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={
            "parse": parse,
            "help": text,
            "flags": flags,
            "many": many,
            "secret": secret,
            "flag": flag,
        },
    )


def checked(setting: Field[Any], value: Any, source: str) -> Any:
    """A value of a setting, as JSON or Python has it, checked and converted.

    Raises ConfigurationError, which says where the value came from: `source`.
    """
    try:
        return _convert(setting, value)
    except ValueError as error:
        raise ConfigurationError(f"{source}: {error}{but_not(setting, value)}") from None


def but_not(setting: Field[Any], value: Any) -> str:
    """The end of a complaint about a value: what it was, unless that is a secret."""
    return "" if setting.metadata["secret"] else f", not {value!r}"


def _convert(setting: Field[Any], value: Any) -> Any:
    parse: Parse = setting.metadata["parse"]
    if setting.metadata["many"]:
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise ValueError("must be a list of texts")
        return tuple(parse(part) for part in value)
    if value is None and setting.default is None:
        return None
    if isinstance(setting.default, int | float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("must be a number")
        if isinstance(setting.default, int) and isinstance(value, float):
            raise ValueError("must be a whole number")
        return parse(str(value))
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return parse(value)


def default_of(setting: Field[Any]) -> Any:
    """The built-in default of a setting."""
    assert setting.default is not MISSING
    return setting.default
