"""The buses and the routes over them."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from fws_gevent import signals
from fws_gevent.signals import Bus, Route


class Place:
    """A server, as far as a bus needs it."""


class Ear:
    """A receiver that keeps its calls, and answers with its name."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.heard: list[tuple[object, Any, Any]] = []

    def __call__(self, server: object, *, web_socket_instance: Any, data: Any) -> str:
        self.heard.append((server, web_socket_instance, data))
        return self.answer


def failing(server: object, **event: Any) -> None:
    raise ValueError("subscriber's fault")


@pytest.fixture
def bus() -> Bus:
    return Bus("test", "a bus of this test alone")


@pytest.fixture
def place() -> Place:
    return Place()


def emit(route: Route, place: Place, data: Any = "data") -> Any:
    assert route.emit is not None
    return route.emit(place, web_socket_instance="ws", data=data)


@pytest.mark.parametrize(
    "name",
    [
        "client_connected",
        "data_received",
        "message_received",
        "client_disconnected",
        "consumer_received",
    ],
)
def test_there_is_a_documented_bus_for_each_event(name: str) -> None:
    bus = getattr(signals, name)
    assert isinstance(bus, Bus)
    assert bus.name == name
    assert bus.__doc__


def test_emit_is_none_without_receivers(bus: Bus, place: Place) -> None:
    ear = Ear()
    route = bus.route(place)
    assert route.emit is None
    bus.connect(ear, weak=False)
    assert route.emit is not None
    bus.disconnect(ear)
    assert route.emit is None


def test_receivers_connected_before_the_route_are_called(bus: Bus, place: Place) -> None:
    ear = Ear()
    bus.connect(ear, weak=False)
    emit(bus.route(place), place)
    assert len(ear.heard) == 1


def test_connect_gives_the_receiver_back_so_that_it_decorates(bus: Bus, place: Place) -> None:
    heard = []

    @bus.connect
    def receiver(server: object, *, web_socket_instance: Any, data: Any) -> None:
        heard.append(data)

    emit(bus.route(place), place)
    receiver(place, web_socket_instance="ws", data="by hand")
    assert heard == ["data", "by hand"]


def test_a_chain_alone_is_called_directly(bus: Bus, place: Place) -> None:
    chain = Ear("chained")
    route = bus.route(place, chain)
    bus.connect(chain, sender=place, weak=False)
    assert route.emit is chain


def test_a_chain_alone_is_called_directly_again_after_others_left(bus: Bus, place: Place) -> None:
    chain, guest = Ear(), Ear()
    bus.connect(chain, sender=place, weak=False)
    route = bus.route(place, chain)
    bus.connect(guest, weak=False)
    assert route.emit is not chain
    bus.disconnect(guest)
    assert route.emit is chain


def test_strong_receivers_are_called_without_asking_blinker_at_each_event(
    bus: Bus, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = [Ear(), Ear()]
    route = bus.route(place)
    for ear in ears:
        bus.connect(ear, weak=False)

    def never(sender: Any) -> None:
        raise AssertionError("blinker was asked")

    monkeypatch.setattr(bus, "receivers_for", never)
    emit(route, place)
    assert [ear.heard for ear in ears] == [[(place, "ws", "data")]] * 2


def test_the_result_is_that_of_the_chain_with_other_receivers_too(bus: Bus, place: Place) -> None:
    chain = Ear("chained")
    route = bus.route(place, chain)
    for receiver in (Ear("before"), chain, Ear("after")):
        bus.connect(receiver, weak=False)
    assert emit(route, place) == "chained"


def test_without_a_chain_the_result_is_none(bus: Bus, place: Place) -> None:
    route = bus.route(place)
    bus.connect(Ear("not a chain"), weak=False)
    ear = Ear("nor this")
    bus.connect(ear, weak=True)
    assert emit(route, place) is None


def test_a_weak_receiver_is_called_while_it_lives_and_not_kept_alive(
    bus: Bus, place: Place
) -> None:
    route = bus.route(place, chain := Ear("chained"))
    bus.connect(chain, weak=False)
    ear = Ear()
    bus.connect(ear)
    assert emit(route, place) == "chained"
    assert len(ear.heard) == 1
    gone = weakref.ref(ear)
    heard = ear.heard
    del ear
    gc.collect()
    assert gone() is None
    assert emit(route, place) == "chained"
    assert len(heard) == 1
    assert len(chain.heard) == 2


def test_a_receiver_is_called_for_its_server_only(bus: Bus) -> None:
    here, there = Place(), Place()
    ear = Ear()
    routes = bus.route(here), bus.route(there)
    bus.connect(ear, sender=here, weak=False)
    emit(routes[0], here)
    assert routes[1].emit is None
    assert [server for server, *_ in ear.heard] == [here]


@pytest.mark.parametrize("weak", [False, True])
def test_a_receiver_of_another_server_is_not_called_beside_one_of_this(
    bus: Bus, weak: bool
) -> None:
    here, there = Place(), Place()
    mine, other = Ear(), Ear()
    route = bus.route(here)
    bus.connect(mine, sender=here, weak=weak)
    bus.connect(other, sender=there, weak=weak)
    emit(route, here)
    assert len(mine.heard) == 1
    assert other.heard == []


def test_leaving_one_server_keeps_the_other(bus: Bus) -> None:
    here, there = Place(), Place()
    ear = Ear()
    routes = bus.route(here), bus.route(there)
    for place in (here, there):
        bus.connect(ear, sender=place, weak=False)
    bus.disconnect(ear, sender=here)
    assert routes[0].emit is None
    emit(routes[1], there)
    assert len(ear.heard) == 1


def test_a_muted_bus_is_silent_until_it_is_unmuted(bus: Bus, place: Place) -> None:
    ear = Ear()
    bus.connect(ear, weak=False)
    route = bus.route(place)
    with bus.muted():
        assert bus.is_muted
        assert route.emit is None
        assert bus.route(place).emit is None
    emit(route, place)
    assert len(ear.heard) == 1


def test_connected_to_listens_within_its_block_only(bus: Bus, place: Place) -> None:
    ear = Ear()
    route = bus.route(place)
    with bus.connected_to(ear, sender=place):
        emit(route, place)
    assert route.emit is None
    assert ear.heard == [(place, "ws", "data")]


@pytest.mark.parametrize("weak", [False, True])
def test_a_subscriber_that_raises_is_logged_and_stops_no_other(
    bus: Bus,
    place: Place,
    weak: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("fws_gevent"), "propagate", True)
    chain, others = Ear("chained"), [Ear() for _ in range(4)]
    route = bus.route(place, chain)
    # blinker's order is undefined: with one before and one after, one is always called later.
    receivers: list[Callable[..., Any]] = [*others[:2], failing, chain, *others[2:]]
    for receiver in receivers:
        bus.connect(receiver, weak=weak)
    assert emit(route, place) == "chained"
    assert [len(ear.heard) for ear in others] == [1, 1, 1, 1]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "test" in record.getMessage()
    assert "failing" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_a_coroutine_function_is_refused_and_not_connected(bus: Bus, place: Place) -> None:
    async def receiver(server: object, **event: Any) -> None: ...

    route = bus.route(place)
    with pytest.raises(TypeError, match="coroutine"):
        bus.connect(receiver, weak=False)
    assert route.emit is None
    assert not bus.receivers


def test_a_route_keeps_no_server_alive(bus: Bus) -> None:
    place = Place()
    route = bus.route(place)
    gone = weakref.ref(place)
    del place
    gc.collect()
    assert gone() is None
    bus.connect(Ear(), weak=False)
    assert route.emit is None


def test_a_bus_keeps_no_route_alive(bus: Bus, place: Place) -> None:
    gone = weakref.ref(bus.route(place))
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("error", [SystemExit(1), gevent.GreenletExit(), gevent.Timeout(1)])
def test_a_subscriber_that_would_end_the_program_fails_alone(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    bus, heard = signals.Bus("bus", ""), []

    def leave(server: Any, web_socket_instance: Any, data: Any) -> None:
        raise error

    def hear(server: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append(data)

    for receiver in (leave, hear):
        bus.connect(receiver)
    bus.route(bus).tell(bus, "event")
    assert heard == ["event"]
    assert "leave" in caplog.text


def test_a_server_stands_for_its_node() -> None:
    class Server:
        node = Place()

    server, heard = Server(), list[Any]()

    def hear(sender: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append((sender, data))

    bus = Bus("one", "")
    bus.connect(hear, sender=server, weak=False)
    route = bus.route(server.node)
    assert route.emit is not None
    route.emit(server.node, None, 1)
    assert heard == [(server.node, 1)]
    bus.disconnect(hear, sender=server)
    assert route.emit is None
