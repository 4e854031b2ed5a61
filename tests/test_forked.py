"""A child that a view forks under gunicorn serves no clients, and gunicorn ignores it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .clients import ROOT
from .conftest import Connect, Start
from .flask_sites import get
from .gunicorns import STOCK, WORKER
from .waiting import until

SITE = """
import multiprocessing, os, sys, time
from flask import Flask
from fws_gevent import FilteredWebSocket
from fws_gevent.filters.base import WebSocketMessageFilter

app = Flask(__name__)
children = []

def work(name, seconds):
    time.sleep(seconds)
    open(name, "w").close()

@app.get("/job/<name>/<float:seconds>")
def job(name, seconds):
    child = multiprocessing.get_context("fork").Process(target=work, args=(name, seconds))
    child.start()
    children.append(child)
    return str(os.getpid())

@app.get("/end")
def end():
    children[-1].terminate()
    children[-1].join()
    return str(children[-1].exitcode)

@app.get("/exit")
def leave():
    pid = os.fork()
    if not pid:
        sys.exit(3)
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

@app.get("/who")
def who():
    return str(os.getpid())

class Who(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send(str(os.getpid()))

FilteredWebSocket(app)
"""


@pytest.mark.parametrize("worker", [WORKER, STOCK], ids=["our worker", "stock worker"])
def test_a_child_completes_its_work_and_leaves_the_clients_to_its_parent(
    worker: str, start: Start, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / "forking.py").write_text(SITE, "utf-8")
    command = start(
        "-m", "gunicorn", "-k", worker, "-b", "127.0.0.1:0", "forking:app", cwd=tmp_path,
        environ={"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))},
    )  # fmt: skip
    port = int(command.wait_for(r"Listening at: http://127\.0\.0\.1:(\d+) ")[1])
    parent = get(
        port, "/job/done/1.5"
    ).body  # gunicorn's workers check for their master each second
    client = connect(port, "/ws")
    while not (tmp_path / "done").exists():
        assert get(port, "/who").body == parent
        client.send("who")
        assert client.receive() == parent
    assert "Parent changed" not in command.output
    if worker == WORKER:
        get(port, "/job/never/1000.0")
        assert get(port, "/end").body == "-15"  # it obeys SIGTERM as any process does
    until(lambda: get(port, "/fws/healthz").status == 200)


def test_a_child_that_a_view_forks_sends_no_answer_when_it_exits(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "forking.py").write_text(SITE, "utf-8")
    command = start("-m", "fws_gevent", "--app", "forking:app", "-p", "0", cwd=tmp_path)
    answer = get(command.port(), "/exit")
    assert (answer.status, answer.body) == (200, "3")
    assert "Traceback" not in command.output
