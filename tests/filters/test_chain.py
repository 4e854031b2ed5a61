"""A chain of one node: its events, the exceptions of its filters, and its counts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from fws_gevent.errors import GroupNameInvalid, GroupRefused
from fws_gevent.filters.base import Call, FilterBase, StopChain
from fws_gevent.filters.chain import Chain

Rescued = list[tuple[Any, BaseException]]


class Bench:
    """Return a chain with its means to run filters in threads and to handle failures."""

    def __init__(self, *functions: Callable[..., Any], **options: Any) -> None:
        class A(FilterBase):
            pass

        self.start: Any = A
        meta: Any = type(A)
        self.filters = [
            meta(f"F{number}", (A,), {"filter": classmethod(function), **options})
            for number, function in enumerate(functions)
        ]
        self.rescued: Rescued = []
        self.offloaded: list[tuple[Any, Any]] = []
        self.chain = Chain(A.filters, self.offload, self.rescue)

    def offload(self, call: Call, web_socket_instance: Any, data: Any) -> Any:
        self.offloaded.append((web_socket_instance, data))
        return call(web_socket_instance, data)

    def rescue(self, web_socket_instance: Any, error: BaseException) -> None:
        self.rescued.append((web_socket_instance, error))

    def receive(self, data: Any = "a") -> Any:
        return self.chain.receive(object(), web_socket_instance="ws", data=data)


def add(letter: str) -> Callable[..., Any]:
    return lambda cls, web_socket_instance, data: data + letter


def raising(error: BaseException) -> Callable[..., Any]:
    def function(cls: Any, web_socket_instance: Any, data: Any) -> None:
        raise error

    return function


@pytest.fixture
def log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("fws_gevent"), "propagate", True)
    return caplog


def test_filters_get_the_data_of_the_one_before() -> None:
    bench = Bench(add("b"), lambda cls, ws, data: None, lambda cls, ws: None, add("c"))
    assert bench.receive() == "abc"
    assert bench.receive("x") == "xbc"


def test_an_empty_chain_leaves_the_data() -> None:
    assert Bench().receive("data") == "data"


def test_a_filter_that_joins_later_is_not_of_this_server() -> None:
    bench = Bench(add("b"))
    type(bench.start)("Late", (bench.start,), {"filter": classmethod(add("late"))})
    assert bench.receive() == "ab"
    assert bench.chain.filters == tuple(bench.filters)


def test_two_servers_count_apart() -> None:
    bench = Bench(raising(StopChain()))
    other = Chain(bench.chain.filters, bench.offload, bench.rescue)
    bench.receive()
    assert bench.chain.stops.total() == 1
    assert other.stops.total() == 0


def test_stop_chain_ends_the_event_and_is_counted(
    log: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(add("b"), raising(StopChain()), add("c"))
    assert bench.receive() == "ab"
    assert bench.receive() == "ab"
    assert bench.chain.stops == {bench.filters[1]: 2}
    assert not bench.chain.failures
    assert bench.rescued == []
    assert log.records == []


@pytest.mark.parametrize("error", [ValueError("x"), gevent.Timeout(1), GeneratorExit()])
def test_a_filter_that_raises_stops_the_chain_and_its_connection_is_rescued(
    error: BaseException, log: pytest.LogCaptureFixture
) -> None:
    bench = Bench(add("b"), raising(error), add("c"))
    assert bench.receive() == "ab"
    assert bench.rescued == [("ws", error)]
    assert bench.chain.failures == {bench.filters[1]: 1}
    assert not bench.chain.stops
    (record,) = log.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("filter ")
    assert ".F1 failed on ws" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_after_a_skipped_failure_the_chain_continues(
    log: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(add("b"), raising(ValueError("x")), add("c"), on_error="skip")
    assert bench.receive() == "abc"
    assert bench.rescued == []
    assert bench.chain.failures == {bench.filters[1]: 1}
    assert len(log.records) == 1


def test_skip_does_not_keep_a_chain_from_being_stopped() -> None:
    bench = Bench(raising(StopChain()), add("b"), on_error="skip")
    assert bench.receive() == "a"
    assert not bench.chain.failures


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_ctrl_c_is_not_caught(on_error: str) -> None:
    error = KeyboardInterrupt()
    bench = Bench(raising(error), on_error=on_error)
    with pytest.raises(KeyboardInterrupt) as caught:
        bench.receive()
    assert caught.value is error
    assert bench.rescued == []


@pytest.mark.parametrize("error", [SystemExit(3), gevent.GreenletExit(), gevent.Timeout(1)])
def test_exceptions_that_end_a_program_or_greenlet_are_failures(
    error: BaseException,
) -> None:
    bench = Bench(raising(error))
    bench.receive()
    assert [rescued[1] for rescued in bench.rescued] == [error]
    assert bench.chain.failures == {bench.filters[0]: 1}


def test_a_chain_goes_on_with_the_next_event_after_a_failure() -> None:
    def picky(cls: Any, web_socket_instance: Any, data: Any) -> Any:
        return {"good": "taken"}[data]

    bench = Bench(picky)
    assert bench.receive("bad") == "bad"
    assert bench.receive("good") == "taken"
    assert len(bench.rescued) == 1


def test_only_filters_that_ask_for_it_are_offloaded() -> None:
    assert Bench(add("b")).offloaded == []
    bench = Bench(add("b"), offload=False)
    assert bench.receive() == "ab"
    assert bench.offloaded == []
    bench = Bench(add("b"), lambda cls, ws: None, offload=True)
    assert bench.receive() == "ab"
    assert bench.offloaded == [("ws", "a"), ("ws", "ab")]


def test_exceptions_of_offloaded_filters_are_handled_alike() -> None:
    error = ValueError("x")
    bench = Bench(raising(error), offload=True)
    bench.receive()
    assert bench.rescued == [("ws", error)]
    assert bench.chain.failures == {bench.filters[0]: 1}
    stopping = Bench(raising(StopChain()), offload=True)
    stopping.receive()
    assert stopping.chain.stops == {stopping.filters[0]: 1}


def test_a_filter_that_is_listed_twice_runs_twice() -> None:
    bench = Bench(add("b"))
    assert Chain(bench.filters * 2, bench.offload, bench.rescue).receive(None, "ws", "a") == "abb"


def test_filters_that_share_one_function_each_run() -> None:
    class A(FilterBase):
        pass

    class B(A):
        @staticmethod
        def filter(web_socket_instance: Any, data: Any = None) -> Any:
            return data + "b"

    class C(B):
        """Inherits its filter and joins for itself."""

    bench = Bench()
    assert A.run("ws", "a") == "abb"
    assert Chain(A.filters, bench.offload, bench.rescue).receive(None, "ws", "a") == "abb"
    assert C in A.filters


# Counts.


def failing(cls: Any, web_socket_instance: Any, data: Any) -> None:
    raise ValueError


def test_calls_are_all_events_but_those_that_ended_before() -> None:
    def picky(cls: Any, web_socket_instance: Any, data: Any) -> None:
        if data == "stop":
            raise StopChain
        if data == "refuse":
            raise GroupRefused("room")
        if data == "fail":
            raise ValueError

    bench = Bench(add(""), picky, add(""), add(""))
    for data in ["go"] * 200 + ["stop"] * 100 + ["refuse"] * 50 + ["fail"] * 70:
        bench.receive(data)
    second = bench.filters[1]
    chain = bench.chain
    assert chain.runs == 420
    assert [chain.calls_of(each) for each in bench.filters] == [420, 420, 200, 200]
    assert chain.stops == {second: 150}
    assert chain.failures == {second: 70}


def test_a_failure_that_is_skipped_ends_nothing() -> None:
    bench = Bench(failing, raising(StopChain()), add(""), on_error="skip")
    for _ in range(130):
        bench.receive()
    assert [bench.chain.calls_of(each) for each in bench.filters] == [130, 130, 0]
    assert bench.chain.failures == {bench.filters[0]: 130}
    assert bench.chain.stops == {bench.filters[1]: 130}


def test_ends_in_several_filters_add_up() -> None:
    def at(text: str) -> Callable[..., Any]:
        def function(cls: Any, web_socket_instance: Any, data: Any) -> None:
            if data == text:
                raise StopChain

        return function

    bench = Bench(at("a"), at("b"), at("c"), add(""))
    for data in "abcxabcxax":
        bench.receive(data)
    assert [bench.chain.calls_of(each) for each in bench.filters] == [10, 7, 5, 3]


@pytest.mark.parametrize("error", [GroupRefused("room"), GroupNameInvalid("a group's name …")])
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_refused_group_stops_the_chain_and_is_not_a_failure(
    on_error: str, error: Exception, log: pytest.LogCaptureFixture
) -> None:
    bench = Bench(raising(error), add("b"), on_error=on_error)
    assert bench.receive() == "a"
    assert bench.rescued == [("ws", error)]
    assert bench.chain.stops == {bench.filters[0]: 1}
    assert not bench.chain.failures
    assert log.records == []


@pytest.mark.parametrize("offload", [False, True])
def test_one_event_in_64_is_measured_and_the_latest_are_kept(offload: bool) -> None:
    bench = Bench(add(""), failing, add(""), on_error="skip", offload=offload)
    sizes = []
    for _ in range(64 * 3):
        bench.receive()
        sizes.append([len(bench.chain.samples[each]) for each in bench.filters])
    assert sizes == [[1, 1, 1]] * 64 + [[2, 2, 2]] * 64 + [[3, 3, 3]] * 64
    assert all(0 <= time < 60 for each in bench.filters for time in bench.chain.samples[each])
    for number in range(300):
        bench.chain.runs = 64 * number  # so that the next one is measured
        bench.receive()
    assert [len(bench.chain.samples[each]) for each in bench.filters] == [256, 256, 256]


def test_a_measured_event_is_handled_like_any_other() -> None:
    def picky(cls: Any, web_socket_instance: Any, data: Any) -> Any:
        if data == "stop":
            raise StopChain
        if data == "fail":
            raise ValueError
        return data + "!"

    for data, left in (("go", "go!?"), ("stop", "stop"), ("fail", "fail")):
        bench = Bench(picky, add("?"))
        assert bench.receive(data) == left  # the first one is measured
        assert len(bench.chain.samples[bench.filters[0]]) == 1
        assert bench.chain.stops.total() == (data == "stop")
        assert bench.chain.failures == ({bench.filters[0]: 1} if data == "fail" else {})
        assert bench.chain.calls_of(bench.filters[1]) == (data == "go")
