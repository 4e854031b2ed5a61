"""The Lua scripts in `lua/`. Each is one atomic call to Redis."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """The text of a script, and the SHA-1 by which Redis knows it when it is loaded."""

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
