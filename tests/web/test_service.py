"""The data of the status page, after known traffic."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from gevent.event import Event

from fws_gevent import __version__
from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.errors import ConfigurationError
from fws_gevent.filters.base import StopChain, WebSocketConnectFilter, WebSocketMessageFilter
from fws_gevent.storage.memory import MemoryStorageObject
from tests.conftest import Connect
from tests.waiting import until

from .conftest import MakeSite
from .sites import KEY, Site, bearer

NO_LOSSES = {"slow": 0, "keepalive": 0, "storage": 0, "gaps": 0}
RATES = {"messages_in", "messages_out", "bytes_in", "bytes_out"}


def shown(site: Site) -> dict[str, Any]:
    """Return the data of the page. The request itself issues a token."""
    token = site.token("looks", scope="status")
    answer = site.get("/fws/status?format=json", Authorization=bearer(token))
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def test_it_has_this_shape(make_site: MakeSite) -> None:
    found = shown(make_site(max_connections=1000))
    assert set(found) == {
        "version", "warnings", "time", "state", "nodes", "auth", "connections", "rates", "totals",
        "groups", "chains", "losses", "tokens", "background", "runners", "storage", "closes",
        "recent_closes", "history",
    }  # fmt: skip
    assert found["version"] == __version__
    assert found["warnings"] == []
    assert found["time"] == pytest.approx(time.time(), abs=60)
    (node,) = found["nodes"]
    assert set(node) == {
        "name", "this", "uptime", "state", "connections", "messages_in", "messages_out",
    }  # fmt: skip
    assert node["name"].endswith(f":{os.getpid()}")
    assert (node["this"], node["state"], node["connections"]) == (True, "serving", 0)
    assert (found["state"], found["auth"]) == ("serving", "required")
    assert found["connections"] == {"now": 0, "opened": 0, "closed": 0, "limit": 1000}
    assert found["rates"] == found["totals"] == dict.fromkeys(RATES, 0)
    assert found["groups"] == {"count": 0, "largest": []}
    names = [each["name"] for each in found["chains"]]
    assert names == ["connect", "data", "message", "disconnect", "consumer", "gap"]
    assert found["losses"] == NO_LOSSES
    assert found["tokens"] == {"issued": 1, "refused": 0, "revoked": 0}
    assert found["runners"] == {"blocked": 0, "limit": 2000}
    assert found["storage"] == {
        "name": "memory (this process only)", "healthy": True, "shared": False
    }  # fmt: skip
    assert found["closes"] == found["recent_closes"] == []
    assert set(found["history"]) == {"step", "connections", *RATES}


@pytest.fixture
def busy(make_site: MakeSite) -> Site:
    """Return a site whose filters obey messages."""

    class Join(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            for group in web_socket_instance.token.groups:
                web_socket_instance.join(group)

    class First(WebSocketMessageFilter):
        on_error = "skip"

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "stop":
                raise StopChain
            if data == "skip":
                raise RuntimeError("as told")

    class Second(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "fail":
                raise RuntimeError("as told")
            web_socket_instance.send(data)

    return make_site([Join, First, Second], max_connections=1000)


def test_the_numbers_are_right_after_known_traffic(busy: Site, connect: Connect) -> None:
    first, second = (busy.dial(connect, busy.token(name, "all", name)) for name in ("ada", "bob"))
    third = busy.dial(connect, busy.token("eve"))
    for data in ("hello", "skip", "stop", "bye"):
        first.send(data)
    assert [first.receive() for _ in range(3)] == ["hello", "skip", "bye"]
    second.send("fail")
    assert second.frame().close == (1011, "a filter failed")
    second.close(1011)
    third.close(4321, "enough")
    assert third.frame().close == (4321, "enough")
    busy.get("/fws/status", Authorization=bearer("rubbish"))
    busy.fws.revoke(token=busy.token("eve"))
    until(lambda: busy.server.live == 1)

    found = shown(busy)  # frames of clients have 6 bytes beside what they say, ours 2
    assert found["connections"] == {"now": 1, "opened": 3, "closed": 2, "limit": 1000}
    assert found["nodes"][0]["connections"] == 1
    assert found["totals"] == {
        "messages_in": 5,
        "messages_out": 3,
        "bytes_in": 6 * 7 + len("hello" "skip" "stop" "bye" "fail" "xx" "xxenough"),
        "bytes_out": 2 * 5 + len("hello" "skip" "bye" "xxa filter failed" "xxenough"),
    }  # fmt: skip
    assert found["groups"]["count"] == 2
    sizes = {each["name"]: each["size"] for each in found["groups"]["largest"]}
    assert sizes == {"all": 1, "ada": 1}
    chains = {each["name"]: each for each in found["chains"]}
    assert chains["connect"]["events"] == 3
    assert chains["message"]["events"] == 5
    links = [{name: each[name] for name in ("name", "calls", "errors", "stops")}
             for each in chains["message"]["filters"]]  # fmt: skip
    where = "tests.web.test_service.busy.<locals>"
    assert links == [
        {"name": f"{where}.First", "calls": 5, "errors": 1, "stops": 1},
        {"name": f"{where}.Second", "calls": 4, "errors": 1, "stops": 0},
    ]
    assert found["tokens"] == {"issued": 5, "refused": 1, "revoked": 1}
    assert found["closes"] == [
        {"code": 1011, "meaning": "a filter failed", "count": 1},
        {"code": "4xxx", "meaning": "an application's own", "count": 1},
    ]
    recent = {(each["code"], each["reason"]) for each in found["recent_closes"]}
    assert recent == {(1011, "a filter failed"), (4321, "enough")}
    assert [each["time"] for each in found["recent_closes"]] == sorted(
        (each["time"] for each in found["recent_closes"]), reverse=True
    )


def test_a_slow_reader_is_counted(make_site: MakeSite, connect: Connect) -> None:
    site = make_site(auth="off", max_queue=1000, max_queue_time=0.1)
    connect(site.port, "/ws", receive_buffer=4096)
    until(lambda: site.server.users)

    def flood() -> bool:
        site.server.broadcast(b"x" * 100_000)
        return bool(shown(site)["losses"]["slow"])

    until(flood)
    assert shown(site)["losses"] == {**NO_LOSSES, "slow": 1}


def test_an_unanswered_ping_is_counted(make_site: MakeSite, connect: Connect) -> None:
    site = make_site(auth="off", ping_interval=0.1, ping_timeout=0.1)
    connect(site.port, "/ws")
    until(lambda: shown(site)["losses"]["keepalive"])
    found = shown(site)
    assert found["losses"] == {**NO_LOSSES, "keepalive": 1}
    assert found["closes"] == [{"code": 1006, "meaning": "the connection was lost", "count": 1}]


def test_the_history_grows_with_each_look(site: Site, connect: Connect) -> None:
    site.dial(connect, site.token())
    for _ in range(200):
        site.server.node.statistics.on_due()
    history = shown(site)["history"]
    assert history["step"] == 2
    assert {len(history[name]) for name in ("connections", *RATES)} == {150}
    assert set(history["connections"]) == {1}


def test_draining_is_shown(site: Site) -> None:
    site.server.node.shutdown.begun = True
    assert shown(site)["state"] == "draining"


# Warnings.


def test_a_random_key_causes_a_warning(make_site: MakeSite) -> None:
    assert shown(make_site(signing_key=None))["warnings"] == [
        "No signing key is set: all tokens end with this process."
    ]


def test_several_workers_without_redis_cause_a_warning(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fws.tokens.several_processes = True
    (warning,) = shown(site)["warnings"]
    assert warning.startswith("Several workers without Redis")
    monkeypatch.setattr(MemoryBroker, "shared", True)
    assert shown(site)["warnings"] == []


def test_a_storage_that_is_away_causes_a_warning(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryStorageObject, "healthy", False)
    found = shown(site)
    assert found["warnings"] == ["The storage can't be reached."]
    assert found["storage"]["healthy"] is False


def test_blocked_runners_cause_a_warning(make_site: MakeSite, connect: Connect) -> None:
    free = Event()

    class Blocks(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            free.wait()

    site = make_site([Blocks], max_runners=2)
    for blocked in (1, 2):
        site.dial(connect, site.token()).send("hello")
        until(lambda blocked=blocked: site.server.node.reactor.blocked == blocked)  # type: ignore[misc]
    found = shown(site)
    free.set()
    assert found["runners"] == {"blocked": 2, "limit": 2}
    assert found["warnings"] == ["All 2 runners are blocked in filters: connections wait."]
    until(lambda: not shown(site)["warnings"])


# The settings that it needs.


def test_a_wrong_file_of_clients_is_an_error_at_the_start(
    make_site: MakeSite, tmp_path: Any
) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('{"billing": {"secret": "in plain text"}}')
    with pytest.raises(ConfigurationError, match="billing") as caught:
        make_site(token_clients=str(path))
    assert "in plain text" not in str(caught.value)


def test_it_shows_no_secret(make_site: MakeSite, connect: Connect) -> None:
    site = make_site()
    family = site.tokens("ada", "status")
    ticket = site.fws.issue_ticket("ada")
    site.dial(connect, family["access_token"])
    text = site.get(
        "/fws/status?format=json", Authorization=bearer(family["access_token"])
    ).body.decode()
    for secret in (KEY, family["access_token"], family["refresh_token"], ticket):
        assert secret not in text


def test_without_the_folder_for_several_processes_it_does_not_start(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    with pytest.raises(
        ConfigurationError, match="PROMETHEUS_MULTIPROC_DIR must name an existing folder"
    ):
        make_site()
