"""Pages for monitoring: /fws/healthz, /fws/readyz and /fws/metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fws_gevent.filters.base import StopChain, WebSocketMessageFilter
from fws_gevent.storage.memory import MemoryStorageObject
from tests.certificates import Identity
from tests.clients import Client
from tests.conftest import Connect, Start
from tests.gunicorns import Running, run
from tests.waiting import until

from .conftest import MakeSite
from .sites import Answer, Site, ask, bearer

STOCK = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(answer: Answer) -> Series:
    """Return the metrics of an answer by name and labels."""
    assert answer.status == 200, answer
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def numbers(port: int, app: str) -> Callable[..., float | None]:
    """Return a function that finds metrics: found("tokens_total", what="issued")."""
    found = series(ask(port, "GET", "/fws/metrics"))

    def look(name: str, **labels: str) -> float | None:
        return found.get((f"fws_{name}", frozenset({"app": app, **labels}.items())))

    return look


@pytest.fixture(autouse=True)
def _always_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each request render the metrics anew."""
    monkeypatch.setattr("fws_gevent.web.metrics.RESTED", -1)


def test_frequent_requests_render_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fws_gevent.web.metrics.RESTED", 1e6)
    first = site.get("/fws/metrics")
    site.token()
    again = site.get("/fws/metrics")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["content-type"] == first.headers["content-type"]


@pytest.mark.parametrize("auth", ["off", "required"])
def test_they_are_public_and_contain_nothing_else(auth: str, make_site: MakeSite) -> None:
    site = make_site(auth=auth)
    for path, text in (("healthz", b"ok\n"), ("readyz", b"ready\n")):
        answer = site.get(f"/fws/{path}")
        assert (answer.status, answer.body) == (200, text)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"


def test_while_it_drains_it_is_healthy_and_not_ready(site: Site) -> None:
    site.server.node.shutdown.begun = True
    assert (site.get("/fws/readyz").status, site.get("/fws/healthz").status) == (503, 200)
    assert site.get("/fws/readyz").body == b"draining\n"


def test_without_its_storage_it_is_healthy_and_not_ready(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryStorageObject, "healthy", False)
    assert (site.get("/fws/readyz").status, site.get("/fws/healthz").status) == (503, 200)
    assert site.get("/fws/readyz").body == b"the storage is down\n"
    assert numbers(site.port, "site")("storage_up") == 0
    monkeypatch.setattr(MemoryStorageObject, "healthy", True)
    assert site.get("/fws/readyz").status == 200


def test_with_a_background_task_that_fails_it_is_healthy_and_not_ready(site: Site) -> None:
    for count in (1, 2):
        site.server.node.wheel.failures.add(ValueError("a fault"))
        site.server.node.statistics.failures.add(ValueError("another"))
        assert site.get("/fws/readyz").status == 200
        assert numbers(site.port, "site")("background_failures_total", task="deadlines") == count
    site.server.node.wheel.failures.add(ValueError("a fault"))
    assert (site.get("/fws/readyz").status, site.get("/fws/healthz").status) == (503, 200)
    assert site.get("/fws/readyz").body == b"failing: deadlines\n"
    site.server.node.statistics.failures.add(ValueError("another"))
    assert site.get("/fws/readyz").body == b"failing: deadlines, statistics\n"


@pytest.fixture
def busy(make_site: MakeSite) -> Site:
    """Return a site with filters that obey messages."""

    class Obey(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "fail":
                raise RuntimeError("as told")
            if data == "stop":
                raise StopChain
            if data.startswith(b"join "):
                web_socket_instance.join(data[5:].decode())
            web_socket_instance.send(data)

    return make_site([Obey])


OBEY = "tests.web.test_health.busy.<locals>.Obey"


def test_the_metrics_are_right_after_known_traffic(busy: Site, connect: Connect) -> None:
    token = busy.token("ada", "a", "b")
    clients = [busy.dial(connect, token) for _ in range(3)]
    for client, data in ((clients[0], "join a"), (clients[1], "join b"), (clients[1], "hello")):
        client.send(data)
        assert client.receive() == data
    clients[0].send("stop")
    clients[2].send("fail")
    assert clients[2].frame().close == (1011, "a filter failed")
    clients[2].close(1011)
    busy.post("/fws/revoke", {"token": "x"}, Authorization=bearer("rubbish"))
    until(lambda: busy.server.live == 2 and busy.server.node.events.chains["message"].runs == 5)

    found = numbers(busy.port, "site")
    assert found("connections") == 2
    assert found("connections_opened_total") == 3
    assert found("connections_closed_total", code="1011") == 1
    assert found("groups") == 2
    assert found("messages_received_total") == 5
    assert found("messages_sent_total") == 3
    assert found("received_bytes_total") == sum(
        6 + len(data) for data in ("join a", "join b", "hello", "stop", "fail", "xx")
    )
    assert found("events_total", chain="message") == 5
    where = {"chain": "message", "filter": OBEY}
    assert found("filter_calls_total", **where) == 5
    assert found("filter_errors_total", **where) == 1
    assert found("filter_stops_total", **where) == 1
    assert found("tokens_total", what="issued") == 1
    assert found("tokens_total", what="refused") == 1
    assert found("slow_consumers_closed_total") in (None, 0)
    assert found("keepalive_losses_total") in (None, 0)
    assert found("runners_blocked") == 0
    assert found("storage_up") == 1


def test_counters_never_go_back(busy: Site, connect: Connect) -> None:
    client = busy.dial(connect, busy.token())
    seen = []
    for _ in range(3):
        client.send("hello")
        client.receive()
        seen.append(numbers(busy.port, "site")("messages_received_total"))
    assert seen == [1, 2, 3]


def test_without_the_folder_one_of_several_workers_refuses(site: Site) -> None:
    client = site.app.test_client()
    answer = client.get("/fws/metrics", environ_overrides={"wsgi.multiprocess": True})
    assert answer.status_code == 503
    assert "PROMETHEUS_MULTIPROC_DIR" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/fws/metrics").status_code == 200


APPLICATION = """
from flask import Flask

from fws_gevent import FilteredWebSocket
from fws_gevent.filters.base import WebSocketMessageFilter

app = Flask("several")
fws = FilteredWebSocket(app)


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send(data)
"""


def workers(
    start: Start, identity: Identity, home: Path, worker: str, *more: str, **environ: str
) -> Running:
    """Start two workers with the application."""
    (home / "several.py").write_text(APPLICATION)
    given: dict[str, Any] = dict(environ)
    found = run(start, identity, home, "-k", worker, "-w", "2", *more, "several:app", **given)
    until(lambda: len(found.workers()) == 2)
    return found


@pytest.mark.parametrize("worker", [STOCK, "fws_gevent.worker.FilteredWebSocketWorker"])
def test_several_workers_add_up(
    worker: str, start: Start, identity: Identity, tmp_path: Path, connect: Connect
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    found = workers(start, identity, tmp_path, worker, PROMETHEUS_MULTIPROC_DIR=str(folder))
    # Which worker gets a connection is the kernel's choice; each begins with its first request.
    until(lambda: ask(found.port, "GET", "/fws/healthz") and _both_began(folder))
    dialing = [gevent.spawn(connect, found.port, "/ws") for _ in range(12)]
    clients: list[Client] = [each.get() for each in dialing]
    for client in clients:
        client.send("hello")
        assert client.receive() == "hello"

    def is_right() -> bool:
        look = numbers(found.port, "several")
        names = ("connections", "connections_opened_total", "messages_received_total",
                 "messages_sent_total")  # fmt: skip
        return all(look(name) == len(clients) for name in names)

    until(is_right)  # a worker that is not asked looks every two seconds


def _both_began(folder: Path) -> bool:
    return len(list(folder.glob("counter_*.db"))) == 2


def test_several_workers_without_the_folder_refuse(
    start: Start, identity: Identity, tmp_path: Path
) -> None:
    (tmp_path / "empty.py").touch()
    config = ("-c", str(tmp_path / "empty.py"))  # the project's own would make a folder
    found = workers(start, identity, tmp_path, STOCK, *config)
    answer = ask(found.port, "GET", "/fws/metrics")
    assert answer.status == 503
    assert b"PROMETHEUS_MULTIPROC_DIR" in answer.body
