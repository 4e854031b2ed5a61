"""The lowest versions of the direct dependencies that pyproject.toml allows.

`python -m tests.lowest` prints them as requirements. `make test-min` runs the tests with them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
_LOWER_BOUND = re.compile(r"([\w.\[\],-]+)>=([\w.]+)")


def lowest(project: dict[str, Any]) -> Iterator[str]:
    """Yield each dependency of a project's table, optional ones too, at its lower bound.

    Raises:
        ValueError: A dependency has something other than one lower bound.
    """
    optional = project.get("optional-dependencies", {}).values()
    for each in [*project["dependencies"], *(each for extra in optional for each in extra)]:
        found = _LOWER_BOUND.fullmatch(each)
        if found is None:
            raise ValueError(f"{each!r} in pyproject.toml needs one lower bound, as in flask>=3.1")
        yield f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    print(*lowest(tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]), sep="\n")
