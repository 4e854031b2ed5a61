"""Marks that a filter leaves on its greenlet reach no other event, on any chain."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import gevent
import pytest
from gevent.lock import RLock
from greenlet import getcurrent, greenlet

from fws_gevent import signals
from fws_gevent.filters.base import (
    WebSocketConnectFilter,
    WebSocketConsumerFilter,
    WebSocketDataFilter,
    WebSocketMessageFilter,
)
from fws_gevent.loop.marks import PlainThread, Runner
from tests.clients import Client, frame
from tests.conftest import Connect, Serve
from tests.waiting import until

local = threading.local()
kept: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
variable: ContextVar[str] = ContextVar("variable", default="")
held: list[Any] = []


class Initialized(threading.local):
    def __init__(self) -> None:
        self.value = ""


initialized = Initialized()


def _start_timeout(seconds: float = 0.05) -> None:
    held.append(gevent.Timeout.start_new(seconds))


def _rename() -> None:
    threading.current_thread().name = "left"


LEAVE: dict[str, Callable[[], Any]] = {
    "local": lambda: setattr(local, "value", "left"),
    "initialized": lambda: setattr(initialized, "value", "left"),
    "attribute": lambda: setattr(getcurrent(), "value", "left"),
    "thread": _rename,
    "thread attribute": lambda: setattr(threading.current_thread(), "value", "left"),
    "weak": lambda: kept.__setitem__(getcurrent(), "left"),
    "timeout": _start_timeout,
}


def traces() -> str:
    """Return the marks that there are. A pending time-out interrupts the sleep."""
    found = [
        getattr(local, "value", ""),
        initialized.value,
        getattr(getcurrent(), "value", ""),
        getattr(threading.current_thread(), "value", ""),
        "left" if threading.current_thread().name == "left" else "",
        kept.get(getcurrent(), ""),
    ]
    try:
        gevent.sleep(0.1)
    except gevent.Timeout:
        found.append("interrupted")
    return " ".join(filter(None, found)) or "clean"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    for timeout in held:
        timeout.close()
    held.clear()


class Leave(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        if data == "look":
            web_socket_instance.send(traces())
        else:
            LEAVE[data.text]()
            web_socket_instance.send("done")


class LeaveInThread(WebSocketMessageFilter):
    offload = True

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        Leave.filter(web_socket_instance, data)


def ask(client: Client, text: str) -> str | bytes:
    client.send(text)
    return client.receive()


@pytest.mark.parametrize("kind", LEAVE)
@pytest.mark.parametrize("chain", [Leave, LeaveInThread])
def test_a_filter_finds_no_marks_of_another_connection(
    serve: Serve, connect: Connect, kind: str, chain: Any
) -> None:
    server = serve([chain])
    one, two = connect(server), connect(server)
    assert ask(one, kind) == "done"
    assert ask(two, "look") == "clean"


@pytest.mark.parametrize("kind", LEAVE)
def test_a_filter_finds_no_marks_of_a_connection_in_the_same_turn(
    serve: Serve, connect: Connect, kind: str
) -> None:
    server = serve([Leave])
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        assert ask(client, "look") == "clean"
    for client, text in zip(clients, [kind, "look", "look"], strict=True):
        client.raw(frame(1, text.encode()))
    assert [client.receive() for client in clients] == ["done", "clean", "clean"]


@pytest.mark.parametrize(
    "kind", [kind for kind in LEAVE if "thread" not in kind and kind != "weak"]
)
def test_a_filter_finds_no_marks_at_the_next_message_of_one_read(
    serve: Serve, connect: Connect, kind: str
) -> None:
    client = connect(serve([Leave]))
    client.raw(frame(1, kind.encode()) + frame(1, b"look") + frame(1, b"look"))
    assert [client.receive() for _ in range(3)] == ["done", "clean", "clean"]


@pytest.mark.parametrize("base", [WebSocketConnectFilter, WebSocketDataFilter])
def test_a_message_filter_finds_no_marks_of_the_chains_before_it(
    serve: Serve, connect: Connect, base: Any
) -> None:
    def leave(cls: Any, web_socket_instance: Any, data: Any) -> None:
        LEAVE["local"]()

    meta: Any = type(base)
    before = meta("Before", (base,), {"filter": classmethod(leave)})
    server = serve([before, Leave])
    client = connect(server, early=frame(1, b"look"))
    assert client.receive() == "clean"
    client.send("look")
    assert client.receive() == "clean"


def test_a_data_filter_finds_no_marks_of_the_connect_chain(serve: Serve, connect: Connect) -> None:
    seen: list[str] = []

    class Greet(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append("greeted")
            local.value = "left"

    class Look(WebSocketDataFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append(traces())

    server = serve([Greet, Look, Leave])
    client = connect(server, early=frame(1, b"look"))
    assert client.receive() == "clean"
    assert seen == ["greeted", "clean"]


def test_marked_runners_work_off_a_backlog_in_order(serve: Serve, connect: Connect) -> None:
    seen: list[str] = []

    class Note(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append(data.text)
            local.value = "left"

    server = serve([Note])
    numbers = [str(number) for number in range(2000)]
    connect(server).raw(b"".join(frame(1, number.encode()) for number in numbers))
    until(lambda: len(seen) == 2000)
    assert seen == numbers


def test_events_of_the_consumer_chain_share_no_marks(serve: Serve) -> None:
    seen: list[str] = []

    class Consume(WebSocketConsumerFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append(f"{variable.get()} {traces()}".strip())
            variable.set("left")
            LEAVE[data]()

    server = serve([Consume])
    for kind in LEAVE:
        server.queue.put(kind)
    until(lambda: len(seen) == len(LEAVE))
    assert set(seen) == {"clean"}


def test_subscribers_of_joins_share_no_marks(serve: Serve, connect: Connect) -> None:
    seen: list[str] = []
    server = serve([Leave])

    def joined(server: Any, web_socket_instance: Any, data: Any) -> None:
        seen.append(f"{variable.get()} {traces()}".strip())
        variable.set("left")
        LEAVE["local"]()

    signals.member_joined.connect(joined, sender=server)
    connect(server)
    until(lambda: server.users)
    (connection,) = server.users.values()
    for group in ("a", "b", "c"):
        connection.join(group)
    until(lambda: len(seen) == 3)
    signals.member_joined.disconnect(joined, sender=server)
    assert set(seen) == {"clean"}


def test_a_filter_that_logs_does_not_mark_its_runner(serve: Serve, connect: Connect) -> None:
    runners: list[int] = []

    class Log(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            logging.getLogger("tests.marks").warning("%s", data.text)
            runners.append(id(getcurrent()))
            held.append(gevent.Timeout(1))
            web_socket_instance.send(threading.current_thread().name)

    server = serve([Log])
    one, two = connect(server), connect(server)
    assert len({ask(client, "x") for client in (one, two, one)}) == 1
    assert len(set(runners)) == 1


def test_a_lock_that_is_held_marks_the_runner(serve: Serve, connect: Connect) -> None:
    lock = RLock()

    class Hold(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send("mine" if lock.acquire(blocking=False) else "another's")

    server = serve([Hold])
    assert ask(connect(server), "x") == "mine"
    assert ask(connect(server), "x") == "another's"


def test_an_exception_thrown_at_a_runner_after_its_end_is_ignored() -> None:
    runner = Runner(lambda: None)
    runner.switch()
    assert runner.throw(gevent.Timeout(1)) is None
    assert runner.throw(ValueError) is None


def test_an_exception_thrown_at_a_runner_before_its_end_is_raised() -> None:
    raised: list[str] = []

    def wait() -> None:
        try:
            parent.switch()
        except ValueError as error:
            raised.append(str(error))

    parent = getcurrent()
    runner = Runner(wait)
    runner.switch()
    runner.throw(ValueError("late"))
    assert raised == ["late"]


def test_an_unchanged_thread_object_is_recognised() -> None:
    plain = PlainThread()
    seen: list[bool] = []

    def look() -> None:
        me = getcurrent()
        threading.current_thread()
        seen.append(plain.is_all_of(me))
        threading.current_thread().name = "changed"
        seen.append(plain.is_all_of(me))

    greenlet(look).switch()
    assert seen == [True, False]
