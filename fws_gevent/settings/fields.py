"""A setting as a dataclass field: its description, and the conversion of its values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, Field, field
from typing import Any

from .values import Parse


def setting(
    default: Any,
    parse: Parse,
    text: str,
    *flags: str,
    secret: bool = False,
    flag: bool = True,
) -> Any:  # a dataclass field, which dataclass() gives the type of the annotation
    """Return the field of one setting.

    Args:
        default: The value where no source gives one. A tuple makes the setting a list.
        parse: Converts a text. Raises ValueError, which says what the text must be.
        text: The help text of the flag.
        *flags: The flags, where `--` and the name is not the only one.
        secret: Show the value nowhere.
        flag: Give it a flag. Without one it comes from a file or the environment alone, since
            any user of a machine can read the command lines of the others.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={
            "parse": parse,
            "help": text,
            "flags": flags,
            "many": isinstance(default, tuple),
            "secret": secret,
            "flag": flag,
        },
    )


def default_of(setting: Field[Any]) -> Any:
    """Return the built-in default of a setting."""
    assert setting.default is not MISSING
    return setting.default


def convert(setting: Field[Any], value: Any) -> Any:
    """Convert a value of JSON or Python.

    Raises ValueError, which says what the value must be, and what it is unless it is secret.
    """
    if setting.metadata["many"]:
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise _wrong(setting, "must be a list of strings", value)
        return convert_texts(setting, value)
    if value is None and setting.default is None:
        return None
    if not isinstance(setting.default, int | float):
        if not isinstance(value, str):
            raise _wrong(setting, "must be a string", value)
        return convert_text(setting, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(setting, "must be a number", value)
    if isinstance(setting.default, int) and isinstance(value, float):
        raise _wrong(setting, "must be a whole number", value)
    return _parse(setting, str(value), value)


def convert_texts(setting: Field[Any], texts: Iterable[str]) -> tuple[Any, ...]:
    """Convert the texts of a setting that is a list. Raises ValueError as `convert_text` does."""
    return tuple(convert_text(setting, text) for text in texts)


def convert_text(setting: Field[Any], text: str) -> Any:
    """Convert a text of the environment or of a flag.

    Raises ValueError, which says what the text must be, and what it is unless it is secret.
    """
    return _parse(setting, text, text)


def _parse(setting: Field[Any], text: str, value: Any) -> Any:
    parse: Parse = setting.metadata["parse"]
    try:
        return parse(text)
    except ValueError as error:
        raise _wrong(setting, str(error), value) from None


def _wrong(setting: Field[Any], why: str, value: Any) -> ValueError:
    return ValueError(why if setting.metadata["secret"] else f"{why}, not {value!r}")
