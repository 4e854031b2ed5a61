"""The metrics for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fws_gevent.errors import CloseCode, ConfigurationError
from fws_gevent.node.counters import counted_as
from fws_gevent.node.node import Node
from fws_gevent.settings import Settings
from fws_gevent.web.metrics import CONTENT_TYPE, MULTIPROCESS, RESTED, Metrics

from ..clocks import ManualClock
from ..conftest import Connect, Serve
from ..node.guarded import bearer, guarded

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS, raising=False)


def samples(metrics: Metrics) -> dict[Sample, float]:
    """Return the metrics that Prometheus' parser reads."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((f"fws_{name}", frozenset(labels.items())))


def snapshot(**changes: Any) -> dict[str, Any]:
    """Return the snapshot of a server, with changes."""
    return {**Node(Settings()).statistics.snapshot(history=False), **changes}


def totals(messages_in: int) -> dict[str, int]:
    return {"messages_in": messages_in, "messages_out": 0, "bytes_in": 0, "bytes_out": 0}


def test_it_has_the_counts_of_the_server(serve: Serve, connect: Connect) -> None:
    server = guarded(serve)
    client = connect(server, headers=bearer(server.tokens.issue("ada", ["room"])))
    for message, answer in (("join room", "joined"), ("hello", "hello"),
                            ("join x", "Error: 4403 not allowed in group x")):  # fmt: skip
        client.send(message)
        assert client.receive() == answer
    metrics = Metrics("chat")
    metrics.update(server.node.statistics.snapshot(history=False))
    link = {"app": "chat", "chain": "message", "filter": "tests.node.guarded.Script"}
    for name, labels, wanted in (
        ("connections", {}, 1),
        ("connections_opened_total", {}, 1),
        ("groups", {}, 1),
        ("runners_blocked", {}, 0),
        ("storage_up", {}, 1),
        ("messages_received_total", {}, 3),
        ("messages_sent_total", {}, 3),
        ("events_total", {"chain": "message"}, 3),
        ("filter_calls_total", link, 3),
        ("filter_stops_total", link, 1),
        ("tokens_total", {"what": "issued"}, 1),
    ):
        assert value(metrics, name, **{"app": "chat", **labels}) == wanted, name
    assert value(metrics, "sent_bytes_total", app="chat") == server.node.reactor.bytes_out
    assert value(metrics, "received_bytes_total", app="chat") == server.node.reactor.bytes_in
    assert value(metrics, "filter_seconds", quantile="0.99", **link) is not None
    client.close(4000)
    client.frame()
    server.stop(1)
    metrics.update(server.node.statistics.snapshot(history=False))
    assert value(metrics, "connections_closed_total", app="chat", code="4xxx") == 1
    assert value(metrics, "connections", app="chat") == 0


def test_a_counter_never_goes_back_and_counts_nothing_twice() -> None:
    metrics = Metrics("chat")
    seen = []
    for total in (5, 9, 7, 8, 9, 10, 10, -1, 11):
        metrics.update(snapshot(totals=totals(total)))
        seen.append(value(metrics, "messages_received_total", app="chat"))
    assert seen == [5, 9, 9, 9, 9, 10, 10, 10, 11]


def test_a_gauge_goes_up_and_down() -> None:
    metrics = Metrics("chat")
    for now in (3, 0, 2):
        metrics.update(snapshot(connections={"now": now, "opened": 9}))
        assert value(metrics, "connections", app="chat") == now


def test_a_storage_that_is_away_is_shown() -> None:
    metrics = Metrics("chat")
    metrics.update(snapshot(storage={"name": "x", "healthy": False, "shared": True}))
    assert value(metrics, "storage_up", app="chat") == 0


def test_two_applications_count_apart() -> None:
    one, two = Metrics("one"), Metrics("two")
    one.update(snapshot(totals=totals(1)))
    two.update(snapshot(totals=totals(2)))
    for metrics, name, wanted in ((one, "one", 1), (two, "two", 2)):
        assert value(metrics, "messages_received_total", app=name) == wanted
        apps = {labels["app"] for _, items in samples(metrics) for labels in [dict(items)]}
        assert apps == {name}


def test_two_of_one_name_do_not_clash() -> None:
    one, two = Metrics("chat"), Metrics("chat")
    one.update(snapshot(totals=totals(1)))
    two.update(snapshot())
    assert value(two, "messages_received_total", app="chat") != 1


def test_clients_can_not_add_series() -> None:
    node = Node(Settings())
    metrics = Metrics("chat")
    for code in (*CloseCode, *range(3000, 5000)):
        node.counters.closes[counted_as(code)] += 1
    metrics.update(node.statistics.figures())
    found = samples(metrics)
    codes = {dict(labels)["code"] for name, labels in found if "connections_closed" in name}
    assert codes == {*(str(int(each)) for each in CloseCode), "3xxx", "4xxx"}
    assert value(metrics, "connections_closed_total", app="chat", code="3xxx") == 1000


def test_a_fresh_rendering_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    metrics = Metrics("chat", clock)
    assert metrics.last is None

    def slow() -> bytes:
        clock.advance(0.5)
        return b"numbers"

    monkeypatch.setattr(metrics, "_rendered", slow)
    assert metrics.render() == b"numbers"
    clock.advance(0.5 * RESTED - 0.1)
    assert metrics.last == b"numbers"
    clock.advance(0.2)
    assert metrics.last is None


def test_labels_are_escaped() -> None:
    name = 'a "b"\n\\c'
    metrics = Metrics(name)
    metrics.update(snapshot())
    assert value(metrics, "connections", app=name) == 0


def test_the_format_is_the_one_that_the_content_type_names() -> None:
    assert CONTENT_TYPE.startswith("text/plain; version=")
    assert not Metrics("chat").multiprocess
    text = Metrics("chat").render().decode()
    assert "# HELP fws_connections WebSockets open now." in text
    assert "# TYPE fws_messages_received_total counter" in text


def test_the_folder_of_several_processes_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Metrics.check_folder()
    monkeypatch.setenv(MULTIPROCESS, str(tmp_path))
    Metrics.check_folder()
    for wrong in ("", str(tmp_path / "nothing")):
        monkeypatch.setenv(MULTIPROCESS, wrong)
        with pytest.raises(ConfigurationError, match="must name an existing folder, or be unset"):
            Metrics.check_folder()
