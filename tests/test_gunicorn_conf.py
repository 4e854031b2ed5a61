"""The project's gunicorn.conf.py, in gunicorn's master."""

from __future__ import annotations

import logging
import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fws_gevent.web.metrics import MULTIPROCESS

from .clients import ROOT

Load = Callable[[], dict[str, Any]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Read the file as gunicorn does; remove its logger and folder afterwards."""
    monkeypatch.delenv(MULTIPROCESS, raising=False)
    logger = logging.getLogger("fws_gevent")
    before = (logger.handlers, logger.level, logger.propagate)
    loaded: list[dict[str, Any]] = []

    def read() -> dict[str, Any]:
        loaded.append(runpy.run_path(str(ROOT / "gunicorn.conf.py")))
        return loaded[-1]

    yield read
    for each in loaded:
        each["on_exit"](None)
    os.environ.pop(MULTIPROCESS, None)
    logger.handlers, logger.level, logger.propagate = before


def warns(loaded: dict[str, Any], caplog: pytest.LogCaptureFixture) -> bool:
    """Return whether two workers are warned of their separate storage."""
    loaded["when_ready"](SimpleNamespace(cfg=SimpleNamespace(workers=2)))
    return "SEVERAL WORKERS" in caplog.text


@pytest.mark.parametrize(
    ("environ", "warned"),
    [
        ({}, True),
        ({"FWS_REDIS_URL": "", "FWS_REDIS_HOST": " "}, True),
        ({"FWS_REDIS_PORT": "tcp://10.0.0.5:6379"}, True),
        ({"FWS_LOG_LEVEL": "", "FWS_LOG_FORMAT": ""}, True),
        ({"FWS_LOG_FORMAT": "JSON"}, True),
        ({"FWS_REDIS_URL": "redis://redis"}, False),
        ({"FWS_REDIS_HOST": "redis"}, False),
        ({"FWS_LOG_LEVEL": "loud"}, False),
    ],
)
def test_several_workers_without_a_redis_cause_an_error_line(
    environ: dict[str, str],
    warned: bool,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    assert warns(load(), caplog) is warned


def test_a_file_named_by_the_environment_is_read(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "fws.json").write_text('{"redis_host": "redis"}')
    monkeypatch.setenv("FWS_CONFIG", str(tmp_path / "fws.json"))
    assert not warns(load(), caplog)


@pytest.mark.parametrize("given", [None, ""])
def test_a_folder_for_metrics_is_made_unless_one_is_named(
    given: str | None, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv(MULTIPROCESS, given)
    loaded = load()
    folder = Path(os.environ[MULTIPROCESS])
    assert folder.is_dir()
    loaded["on_exit"](None)
    assert not folder.exists()


def test_a_named_folder_is_left_alone(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MULTIPROCESS, str(tmp_path))
    load()["on_exit"](None)
    assert os.environ[MULTIPROCESS] == str(tmp_path)
    assert tmp_path.is_dir()
