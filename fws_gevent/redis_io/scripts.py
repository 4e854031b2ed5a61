"""The Lua scripts that change streams, each one call to Redis and atomic."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """A script's text, and the name by which Redis knows it once it is loaded."""

    text: str
    sha: str


def _script(*parts: str) -> Script:
    folder = files(__package__) / "lua"
    text = "".join((folder / f"{part}.lua").read_text("utf-8") for part in parts)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


PUBLISH = _script("append", "publish")
RESUME = _script("append", "resume")
PRESENCE = _script("append", "presence")
REVOKE = _script("append", "revoke")
SPEND = _script("spend")
TAKE = _script("take")
OWN = _script("own")
