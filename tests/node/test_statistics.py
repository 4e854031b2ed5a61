"""The figures of a node."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest

from fws_gevent.errors import CloseCode
from fws_gevent.filters.base import StopChain, WebSocketMessageFilter
from fws_gevent.node import statistics
from fws_gevent.node.largest_groups import LARGEST
from fws_gevent.node.node import Node
from fws_gevent.node.statistics import KEPT
from fws_gevent.settings import Settings
from tests.clients import Client, frame
from tests.clocks import ManualClock
from tests.conftest import Connect, Serve
from tests.waiting import until

from .guarded import Script, bearer, greeted, guarded


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_snapshot_is_json_also_before_the_start(serve: Serve) -> None:
    server = serve([Script], max_connections=1000)
    for node in (Node(Settings(max_connections=1000)), server.node):
        found = node.statistics.snapshot()
        assert json.loads(json.dumps(found)) == found
        assert found["state"] == "serving"
        assert found["connections"] == {"now": 0, "opened": 0, "closed": 0, "limit": 1000}
        assert found["auth"] == "off"
        assert found["storage"] == {"name": "memory (this process only)", "healthy": True,
                                    "shared": False}  # fmt: skip
    assert "history" not in server.node.statistics.snapshot(history=False)


def test_it_counts_connections_messages_and_bytes(serve: Serve, connect: Connect) -> None:
    server = serve([Script], max_connections=1000)
    one, two = connect(server), connect(server)
    for message in ("hello", "x" * 200, "y" * 100_000):
        one.send(message)
        assert one.receive() == message
    greeted(two)
    found = server.node.statistics.snapshot()
    assert found["connections"] == {"now": 2, "opened": 2, "closed": 0, "limit": 1000}
    totals = found["totals"]
    assert (totals["messages_in"], totals["messages_out"]) == (3, 3)  # a ping is no message
    out = (2 + 5) + (4 + 200) + (10 + 100_000)
    assert totals["bytes_out"] == out + 2 + len("there?")
    assert totals["bytes_in"] == out + 3 * 4 + 6 + len("there?")
    assert found["nodes"] == [{**found["nodes"][0], "state": "serving", "connections": 2,
                               "this": True}]  # fmt: skip


def end(client: Client, code: int) -> None:
    client.close(code, "because")
    assert client.frame().close[0] == code


def test_it_counts_closes_by_code_and_tells_the_latest(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    for code in (1000, 4000, 1000, 4999, 3100, 4401):
        end(connect(server), code)
    connect(server).drop()
    until(lambda: server.node.counters.closes.total() == 7)
    found = server.node.statistics.snapshot()
    assert found["connections"]["now"] == 0
    assert found["connections"]["opened"] == found["connections"]["closed"] == 7
    assert found["closes"] == [
        {"code": 1000, "meaning": "normal closure", "count": 2},
        {"code": 1006, "meaning": "the connection was lost", "count": 1},
        {"code": "3xxx", "meaning": "an application's own", "count": 1},
        {"code": "4xxx", "meaning": "an application's own", "count": 2},
        {"code": 4401, "meaning": "no valid token", "count": 1},
    ]
    latest = found["recent_closes"]
    assert [(each["code"], each["reason"]) for each in latest[1:]] == [
        (4401, "because"), (3100, "because"), (4999, "because"), (1000, "because"),
        (4000, "because"), (1000, "because"),
    ]  # fmt: skip
    for _ in range(25):
        end(connect(server), 1000)
    until(lambda: not server.live)
    assert len(server.node.statistics.snapshot()["recent_closes"]) == 20


def test_a_control_frame_that_never_leaves_takes_no_message_off_the_total(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Script])
    one, two = connect(server), connect(server)
    greeted(one)
    greeted(two)
    lost = next(iter(server.users.values()))
    lost.ping()
    lost.give_up(CloseCode.ABNORMAL, "given up")
    two.send("hello")
    assert two.receive() == "hello"
    assert server.node.statistics.snapshot()["totals"]["messages_out"] == 1


def test_totals_are_never_below_zero_however_connections_end(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Script], ping_interval=0.04, ping_timeout=0.04, close_timeout=0.04)
    silent = connect(server)
    assert silent.frame().opcode == 9
    for _ in range(20):
        client = connect(server, early=frame(9, b"x") * 3 + frame(8))
        client.drop()
        connect(server, early=frame(9) * 5 + b"\xff\xff").drop()
    until(lambda: not server.live)
    totals = server.node.statistics.snapshot()["totals"]
    assert totals["messages_in"] == 0
    assert totals["messages_out"] == 0


def test_groups_are_shown_the_largest_first_and_without_those_of_subjects(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    token = server.tokens.issue("ada", ["*"])
    clients = [connect(server, headers=bearer(token)) for _ in range(3)]
    for number, client in enumerate(clients):
        for name in ("a", "b", "c")[number:]:
            client.send(f"join {name}")
            assert client.receive() == "joined"
    assert server.node.statistics.snapshot()["groups"] == {
        "count": 3,
        "largest": [{"name": "c", "size": 3}, {"name": "b", "size": 2}, {"name": "a", "size": 1}],
    }
    for number in range(100):
        clients[0].send(f"join {number}")
        clients[0].receive()
    found = server.node.statistics.snapshot()["groups"]
    assert found["count"] == 103
    assert len(found["largest"]) == LARGEST
    assert found["largest"][0] == {"name": "c", "size": 3}


def test_the_figures_for_metrics_look_at_no_group(serve: Serve, connect: Connect) -> None:
    class Counted(dict[str, Any]):
        looks = 0

        def __iter__(self) -> Any:
            self.looks += 1
            return super().__iter__()

        def items(self) -> Any:
            self.looks += 1
            return super().items()

    server = guarded(serve)
    groups = server.node.membership.groups = Counted(server.groups)
    client = connect(server, headers=bearer(server.tokens.issue("ada", ["*"])))
    for name in ("a", "b"):
        client.send(f"join {name}")
        assert client.receive() == "joined"
    assert server.node.statistics.figures()["groups"] == {"count": 2}
    assert set(groups) == {"a", "b", "subject:ada"}
    groups.looks = 0
    server.node.statistics.figures()
    assert groups.looks == 0
    client.drop()
    until(lambda: not groups)
    assert server.node.statistics.figures()["groups"] == {"count": 0}


def test_chains_are_shown_with_their_filters_in_order(serve: Serve, connect: Connect) -> None:
    class Odd(WebSocketMessageFilter):
        on_error = "skip"

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "fail":
                raise ValueError
            if data == "stop":
                web_socket_instance.send("stopped")
                raise StopChain

    server = serve([Odd, Script])
    client = connect(server)
    for message in ("go", "fail", "stop", "go"):
        client.send(message)
        client.receive()
    chains = {each["name"]: each for each in server.node.statistics.snapshot()["chains"]}
    assert list(chains) == ["connect", "data", "message", "disconnect", "consumer", "gap"]
    assert chains["connect"] == {"name": "connect", "events": 0, "filters": []}
    assert chains["message"]["events"] == 4
    odd, script = chains["message"]["filters"]
    counts = ("calls", "errors", "stops")
    assert [odd[name] for name in counts] == [4, 1, 1]
    assert [script[name] for name in counts] == [3, 0, 0]
    assert odd["name"].endswith(".Odd")
    assert script["name"] == "tests.node.guarded.Script"


def test_quantiles_are_of_the_measured_times(serve: Serve) -> None:
    server = serve([Script])
    samples = server.node.events.chains["message"].samples[Script]
    samples.extend(number / 100 for number in reversed(range(100)))
    (link,) = server.node.statistics.snapshot()["chains"][2]["filters"]
    assert (link["p50"], link["p99"]) == (0.5, 0.99)


def test_losses_runners_and_tokens_are_shown(serve: Serve, connect: Connect) -> None:
    server = guarded(serve, max_runners=7)
    server.tokens.issue("ada")
    server.tokens.revoke_subject("ada")
    client = connect(server)
    client.send("token:x")
    assert client.frame().close[0] == 4401
    server.node.counters.losses["slow"] += 2
    found = server.node.statistics.snapshot()
    assert found["tokens"] == {"issued": 1, "refused": 1, "revoked": 1}
    assert found["losses"] == {"slow": 2, "keepalive": 0, "storage": 0, "gaps": 0}
    assert found["runners"] == {"blocked": 0, "limit": 7}
    assert found["auth"] == "required"


def test_a_node_that_drains_has_that_state(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    client = greeted(connect(server))
    stopping = gevent.spawn(server.stop, 5)
    assert client.frame().close[0] == 1001
    found = server.node.statistics.snapshot()
    assert (found["state"], found["nodes"][0]["state"]) == ("draining", "draining")
    client.close(1001)
    stopping.join(5)


# Over time.


class Numbers:
    """The counters of a node that does nothing."""

    def __init__(self, clock: ManualClock) -> None:
        self.node = Node(Settings(), clock=clock)
        self.statistics = self.node.statistics

    def add(self, messages_in: int, bytes_out: int) -> None:
        self.node.reactor.messages_unheard += messages_in
        self.node.reactor.bytes_out += bytes_out


def test_rates_are_the_difference_of_the_last_two_looks(clock: ManualClock) -> None:
    numbers = Numbers(clock)
    statistics = numbers.statistics
    assert set(statistics.snapshot()["rates"].values()) == {0.0}
    statistics.start()
    assert set(statistics.snapshot()["rates"].values()) == {0.0}
    for seconds, messages, size in ((2.0, 10, 1000), (4.0, 10, 50)):
        clock.now += seconds
        numbers.add(messages, size)
        statistics.on_due()
    assert statistics.snapshot()["rates"] == {
        "messages_in": 2.5, "messages_out": 0.0, "bytes_in": 0.0, "bytes_out": 12.5,
    }  # fmt: skip
    history = statistics.snapshot()["history"]
    assert history["step"] == 2.0
    assert history["messages_in"] == [5.0, 2.5]
    assert history["bytes_out"] == [500.0, 12.5]
    assert history["connections"] == [0, 0]


def test_no_time_between_two_looks_is_no_error(clock: ManualClock) -> None:
    numbers = Numbers(clock)
    numbers.statistics.start()
    numbers.add(1, 1)
    numbers.statistics.on_due()
    assert numbers.statistics.snapshot()["rates"]["messages_in"] == 1000.0


def test_the_history_is_bounded(clock: ManualClock) -> None:
    numbers = Numbers(clock)
    for _ in range(KEPT * 2):
        clock.now += 2
        numbers.statistics.on_due()
    history = numbers.statistics.snapshot()["history"]
    assert {len(values) for name, values in history.items() if name != "step"} == {KEPT}


def test_a_listener_that_raises_holds_up_no_other_one(serve: Serve) -> None:
    server = serve()
    told: list[int] = []

    def fail() -> None:
        raise ValueError("as told")

    for listener in (fail, lambda: told.append(1), fail):
        server.node.statistics.listen(listener)
    server.node.statistics.on_due()
    assert told == [1]
    assert server.node.statistics.failures.count == 2


def test_it_looks_by_itself_and_tells_its_listeners(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "STEP", 0.02)
    told: list[int] = []
    server = serve([Script], ping_timeout=0.04)
    server.node.statistics.listen(lambda: told.append(len(told)))
    server.node.statistics.on_due()
    until(lambda: len(told) > 3)
    assert len(server.node.wheel) == 1
