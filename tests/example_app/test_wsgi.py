"""wsgi.py under gunicorn with two workers, and under the flask command."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..clients import ROOT
from ..conftest import Start
from .browser import Shown, wait_until
from .conftest import Meet, Open, needs_chromium

WORKERS = [
    "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
    "fws_gevent.worker.FilteredWebSocketWorker",
]


def _gunicorn(start: Start, worker: str, home: Path) -> int:
    command = start(
        "-m", "gunicorn", "-k", worker, "-b", "127.0.0.1:0", "wsgi:app",
        cwd=ROOT, environ={"HOME": str(home)},
    )  # fmt: skip
    port = int(command.wait_for(r"Listening at: http://127\.0\.0\.1:(\d+) ")[1])
    command.wait_for(r"WARNING SECRET_KEY and FWS_SIGNING_KEY not set: ")
    command.wait_for(r"WARNING /fws/status is closed: set FWS_ADMIN_PASSWORD")
    return port


@needs_chromium
@pytest.mark.parametrize("worker", WORKERS)
def test_a_browser_chats_over_gunicorn(
    worker: str, start: Start, window: Open, tmp_path: Path
) -> None:
    port = _gunicorn(start, worker, tmp_path)
    ada, grace = window(port, "Ada"), window(port, "Grace")
    ada.say("Hello!")
    wait_until(lambda: grace.messages == [Shown(False, "Ada", "Hello!")])
    ada["log-out"].click()
    wait_until(lambda: grace.people == ["Grace (you)"])
    assert grace.complaints == []


@pytest.mark.parametrize("worker", WORKERS)
def test_the_list_of_people_and_announcements_work_over_gunicorn(
    worker: str, start: Start, meet: Meet, tmp_path: Path
) -> None:
    port = _gunicorn(start, worker, tmp_path)
    ada, linus = meet(port, "Ada"), meet(port, "Linus")
    ada.see("Ada", "Linus")
    linus.post("/announce", text="Tea!")
    assert ada.hear("announcement")["name"] == "Linus"
    linus.drop()
    ada.see("Ada")


def test_it_runs_with_flasks_command(start: Start, meet: Meet) -> None:
    command = start("-m", "flask", "--app", "wsgi", "fws", "run", "-p", "0", cwd=ROOT)
    ada = meet(command.port(), "Ada")
    ada.say("hello")
    assert ada.hear("said")["text"] == "hello"
