"""The variables of gunicorn, and the warnings at its start."""

from __future__ import annotations

import pytest

from fws_gevent.errors import ConfigurationError, FwsError
from fws_gevent.settings import Settings
from fws_gevent.workers import environment
from fws_gevent.workers.environment import (
    APP_LOAD_ERROR,
    one_line_under_gunicorn,
    under_gunicorn,
    warn_of_many_workers,
    warn_of_unused_tls,
)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the errors in the log."""
    lines: list[str] = []
    monkeypatch.setattr(environment._log, "error", lambda text, *of: lines.append(text % of))
    return lines


@pytest.mark.parametrize(
    ("files", "scheme", "said"),
    [
        ({"key": "k", "cert": "c"}, "http", True),
        ({"key": "k", "cert": "c"}, "https", False),
        ({}, "http", False),
    ],
)
def test_tls_files_that_gunicorn_knows_nothing_of_are_warned_of_loudly(
    files: dict[str, str], scheme: str, said: bool, log: list[str]
) -> None:
    warn_of_unused_tls(Settings(**files), scheme)  # type: ignore[arg-type]
    assert [line[:7] for line in log] == (["NO TLS:"] if said else [])


def test_several_workers_are_warned_of_loudly(log: list[str]) -> None:
    warn_of_many_workers()
    assert "SEVERAL WORKERS" in log[0]


@pytest.mark.parametrize(
    ("software", "yes"), [("gunicorn/27.0", True), ("gevent/1.0", False), ("", False)]
)
def test_gunicorn_is_recognised_by_the_environment(
    software: str, yes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    assert under_gunicorn() is yes


def test_under_gunicorn_a_wrong_setting_ends_the_worker_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/27.0")
    with pytest.raises(SystemExit) as ended, one_line_under_gunicorn():
        raise ConfigurationError("port is wrong")
    assert ended.value.code == APP_LOAD_ERROR == 4
    assert capfd.readouterr() == ("", "fws_gevent: error: port is wrong\n")


@pytest.mark.parametrize(
    ("software", "error"),
    [("", ConfigurationError("x")), ("gunicorn/27.0", FwsError("x")), ("gunicorn/27.0", OSError())],
)
def test_any_other_error_is_raised_as_it_is(
    software: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    with pytest.raises(type(error)) as raised, one_line_under_gunicorn():
        raise error
    assert raised.value is error
