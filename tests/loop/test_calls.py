"""Calls from threads that are not the loop's: where they arrive, in which order, how many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from fws_gevent import GroupRefused
from fws_gevent.errors import NotServing
from fws_gevent.filters.base import WebSocketConsumerFilter, WebSocketMessageFilter
from fws_gevent.loop import calls
from fws_gevent.loop.calls import Calls
from tests.clients import PATIENCE, Client
from tests.conftest import Connect, Serve
from tests.node.guarded import bearer, guarded
from tests.waiting import until

get_ident: Callable[[], int] = get_original("_thread", "get_ident")
start: Callable[..., int] = get_original("_thread", "start_new_thread")


def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, or raises, in a native thread."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((function(*arguments), None))
        except Exception as error:
            outcome.append((None, error))

    start(run, ())
    until(lambda: outcome)
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


class Say(WebSocketMessageFilter):
    """Sends a message in its turn, behind what a native thread sends meanwhile."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        lock: Any = get_original("_thread", "allocate_lock")()
        lock.acquire()

        def send() -> None:
            web_socket_instance.send("thread")
            lock.release()

        start(send, ())
        lock.acquire()  # the loop stands still: the thread sends while this filter is at it
        web_socket_instance.send("filter")


def pair(serve: Serve, connect: Connect, filters: Any = (), **more: Any) -> tuple[Any, Client]:
    """A connection and its client."""
    server = serve(filters, **more)
    client = connect(server)
    until(lambda: server.users)
    (connection,) = server.users.values()
    return connection, client


def test_a_send_from_a_thread_leaves_though_nothing_else_wakes_the_loop(
    serve: Serve, connect: Connect
) -> None:
    connection, client = pair(serve, connect, ping_interval=0)
    assert in_thread(connection.send, "hello") is True
    assert client.receive() == "hello"


def test_a_send_from_a_thread_never_writes_in_it_also_while_the_connections_filter_runs(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve([Say]))
    client.send("go")
    assert [client.receive(), client.receive()] == ["filter", "thread"]


def test_what_a_thread_sends_keeps_its_order(serve: Serve, connect: Connect) -> None:
    connection, client = pair(serve, connect)

    def send() -> None:
        for number in range(200):
            if number % 2:
                connection.send(str(number))
            else:
                connection.node.broadcast(str(number))

    in_thread(send)
    assert [client.receive() for _ in range(200)] == [str(number) for number in range(200)]


def test_a_thread_joins_leaves_and_closes(serve: Serve, connect: Connect) -> None:
    connection, client = pair(serve, connect)
    server = connection.node
    in_thread(connection.join, "room")
    assert set(server.groups) == {"room"}
    assert [member.id for member in in_thread(server.members, "room")] == [connection.id]
    in_thread(connection.leave, "room")
    assert not server.groups
    in_thread(setattr, connection, "token", "blue")
    assert set(server.groups) == {"blue"}
    in_thread(connection.close, 4000, "enough")
    assert client.frame().close == (4000, "enough")


def test_a_thread_disconnects(serve: Serve, connect: Connect) -> None:
    connection, client = pair(serve, connect)
    assert in_thread(lambda: connection.node.disconnect(id=connection.id, code=4001)) == 1
    assert client.frame().close[0] == 4001


def test_errors_reach_the_thread(serve: Serve, connect: Connect) -> None:
    connection, _ = pair(serve, connect)
    with pytest.raises(TypeError):
        in_thread(connection.send, 5)
    with pytest.raises(ValueError, match="1005"):
        in_thread(connection.close, 1005)
    with pytest.raises(TypeError):
        in_thread(connection.node.broadcast, 5)


def test_a_group_that_the_token_does_not_grant_is_refused_in_the_thread(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    connect(server, headers=bearer(server.tokens.issue("ada")))
    until(lambda: server.users)
    (connection,) = server.users.values()
    with pytest.raises(GroupRefused):
        in_thread(connection.join, "secret")
    with pytest.raises(TypeError):
        in_thread(setattr, connection, "token", "somebody")


def test_a_put_from_a_thread_returns_when_it_is_in_the_queue(serve: Serve) -> None:
    seen: list[Any] = []

    class Note(WebSocketConsumerFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append(data)

    server = serve([Note])

    def put() -> None:
        for number in range(50):
            server.queue.put(number)

    in_thread(put)
    until(lambda: len(seen) == 50)
    assert seen == list(range(50))


def test_after_the_end_a_call_is_refused() -> None:
    ways = Calls()
    for call in (ways.call_here, ways.run_here):
        with pytest.raises(NotServing):
            call(print)


def test_a_thread_that_waits_for_a_loop_that_ends_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "_LOOK", 0.01)
    ways, never = Calls(), Event()
    ways.take_calls(gevent.get_hub().loop)
    gevent.spawn_later(0.05, ways.refuse_calls)
    with pytest.raises(NotServing):
        in_thread(ways.run_here, never.wait, PATIENCE)
    never.set()


def test_with_too_much_on_the_way_the_caller_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LENGTH", 3)
    ways = Calls()
    done: list[int] = []
    ways.take_calls(gevent.get_hub().loop)
    most: list[int] = []

    def put() -> None:
        for number in range(100):
            ways.call_here(done.append, number)
            most.append(ways._count)

    in_thread(put)
    until(lambda: len(done) == 100)
    assert done == list(range(100))
    assert max(most) <= 4
