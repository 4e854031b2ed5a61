"""The rules for names of groups."""

from __future__ import annotations

import re

from ..errors import GroupNameInvalid

LONGEST_NAME = 255
"""Bytes of UTF-8 in the name of a group."""

_SIZE = f"1 to {LONGEST_NAME} bytes of UTF-8"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc, which is stable


def checked_group(name: object) -> str:
    """Return the name of a group as a plain `str`.

    A name has 1 to `LONGEST_NAME` bytes of UTF-8, so it has no lone surrogates, and no control
    characters (Unicode's category Cc). Raises GroupNameInvalid, with the rule that was broken.
    """
    if not isinstance(name, str):
        raise _invalid(f"be a str, not {type(name).__name__}")
    if len(name) > LONGEST_NAME:  # a name may be as long as a message: do not encode it
        raise _invalid(f"have {_SIZE}, it has at least {len(name)}")
    if name.isascii() and name.isprintable() and name:
        return str.__str__(name)
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise _invalid(f"be valid Unicode: character {error.start} is a lone surrogate") from None
    if not 0 < size <= LONGEST_NAME:
        raise _invalid(f"have {_SIZE}, it has {size}")
    control = _CONTROL.search(name)
    if control is not None:
        raise _invalid(
            f"have no control characters: character {control.start()} is U+{ord(control[0]):04X}"
        )
    return str.__str__(name)


def _invalid(rule: str) -> GroupNameInvalid:
    return GroupNameInvalid(f"a group's name must {rule}")
