"""The lowest allowed versions are those that pyproject.toml says, for all dependencies."""

from __future__ import annotations

import tomllib

import pytest

from tests.lowest import PYPROJECT, lowest


def test_each_dependency_is_at_its_lower_bound_and_keeps_its_extras() -> None:
    project = {
        "dependencies": ["flask>=3.1", "redis[hiredis,x]>=6.4.0"],
        "optional-dependencies": {"gunicorn": ["gunicorn[gevent]>=27"]},
    }
    assert list(lowest(project)) == [
        "flask==3.1",
        "redis[hiredis,x]==6.4.0",
        "gunicorn[gevent]==27",
    ]


@pytest.mark.parametrize("each", ["flask", "flask>3", "flask==3", "flask>=3,<4", "flask~=3.1"])
def test_a_dependency_without_one_lower_bound_is_refused(each: str) -> None:
    with pytest.raises(ValueError, match=f"'{each}' in pyproject.toml needs one lower bound"):
        list(lowest({"dependencies": [each]}))


def test_all_dependencies_of_this_package_have_one() -> None:
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    assert len(list(lowest(project))) > len(project["dependencies"])
