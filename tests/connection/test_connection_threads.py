"""A connection that native threads use: each of its methods, at any time."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from fws_gevent import GroupRefused
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.node.node import Node
from fws_gevent.settings import Settings
from tests.clients import PATIENCE, Client
from tests.conftest import Connect, Serve
from tests.native_threads import Running, allocate_lock, in_thread, start
from tests.node.guarded import bearer, guarded
from tests.waiting import until


class Say(WebSocketMessageFilter):
    """Sends a message after a native thread has sent one."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        lock = allocate_lock()
        lock.acquire()

        def send() -> None:
            web_socket_instance.send("thread")
            lock.release()

        start(send, ())
        lock.acquire()  # blocks the loop, so that the thread sends during the filter
        web_socket_instance.send("filter")


def pair(serve: Serve, connect: Connect, filters: Any = (), **more: Any) -> tuple[Any, Client]:
    """Return a connection and its client."""
    server = serve(filters, **more)
    client = connect(server)
    until(lambda: server.users)
    (connection,) = server.users.values()
    return connection, client


def test_a_send_from_a_thread_wakes_the_loop(serve: Serve, connect: Connect) -> None:
    connection, client = pair(serve, connect, ping_interval=0)
    assert in_thread(connection.send, "hello") is True
    assert client.receive() == "hello"


def test_a_send_from_a_thread_is_written_by_the_loop_also_while_a_filter_runs(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve([Say]))
    client.send("go")
    assert [client.receive(), client.receive()] == ["filter", "thread"]


def test_the_messages_of_a_thread_keep_their_order(serve: Serve, connect: Connect) -> None:
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


def test_exceptions_reach_the_thread(serve: Serve, connect: Connect) -> None:
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


class Hold(WebSocketMessageFilter):
    """Blocks the loop until a native thread releases it."""

    lock = allocate_lock()
    held = allocate_lock()

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        cls.held.release()
        web_socket_instance.send(f"let go: {cls.lock.acquire(True, PATIENCE)}")


@pytest.fixture
def hold() -> type[Hold]:
    Hold.lock, Hold.held = allocate_lock(), allocate_lock()
    Hold.lock.acquire()
    Hold.held.acquire()
    return Hold


def test_a_thread_sends_and_closes_while_the_loop_is_blocked(
    serve: Serve, connect: Connect, hold: type[Hold]
) -> None:
    connection, client = pair(serve, connect, [hold])

    def work() -> bool:
        hold.held.acquire()
        sent = connection.send("meanwhile")
        connection.node.broadcast("to all")
        connection.close(4000, "enough")
        hold.lock.release()
        return bool(sent)

    running = Running(work)
    client.send("hold")
    assert running.result() is True
    received = [client.receive() for _ in range(3)]
    assert received == ["let go: True", "meanwhile", "to all"]
    assert client.frame().close == (4000, "enough")


def test_a_greenlet_of_another_hub_waits_for_the_loop_without_blocking_its_thread(
    serve: Serve, connect: Connect, hold: type[Hold]
) -> None:
    connection, client = pair(serve, connect, [hold])
    done: list[str] = []

    def join() -> None:
        connection.join("room")
        connection.token = "blue"
        connection.leave("room")
        done.append("joined")

    def let_go() -> None:
        done.append("let go")
        hold.lock.release()

    def work() -> None:
        hold.held.acquire()
        joining = gevent.spawn(join)
        gevent.spawn_later(0.01, let_go)
        joining.join()

    running = Running(work)
    client.send("hold")
    assert client.receive() == "let go: True"
    running.result()
    assert done == ["let go", "joined"]
    assert connection.groups == {"blue"}
    assert set(connection.node.groups) == {"blue"}


def test_a_thread_may_broadcast_before_the_start() -> None:
    node = Node(Settings())
    in_thread(node.broadcast, "hello")
    in_thread(node.broadcast, "hello", "room")


def test_calls_do_nothing_after_the_end_of_the_loop(serve: Serve, connect: Connect) -> None:
    connection, client = pair(serve, connect)
    node = connection.node
    node.reactor.refuse_calls()  # as at the end of a node, but the connection is still open
    assert in_thread(connection.send, "hello") is False
    in_thread(connection.join, "room")
    in_thread(setattr, connection, "token", "blue")
    in_thread(connection.leave, "room")
    in_thread(connection.close, 4000, "enough")
    assert (connection.groups, connection.token, connection.open) == (frozenset(), None, True)
    node.reactor.take_calls(gevent.get_hub().loop)
    connection.send("still open")
    assert client.receive() == "still open"


def test_calls_do_nothing_after_the_stop_of_the_node(serve: Serve, connect: Connect) -> None:
    connection, client = pair(serve, connect)
    client.close(1000)
    until(lambda: not connection.node.live)
    connection.node.stop()
    for call in (in_thread, lambda function, *arguments: function(*arguments)):
        assert call(connection.send, "hello") is False
        call(connection.join, "room")
        call(setattr, connection, "token", "blue")
        call(connection.leave, "room")
        call(connection.close, 4000, "enough")
        call(connection.node.broadcast, "hello")
    assert connection.groups == frozenset()


def test_many_threads_join_leave_and_read_the_groups_at_once(
    serve: Serve, connect: Connect
) -> None:
    connection, client = pair(serve, connect)

    def work(name: str) -> int:
        for number in range(30):
            group = f"{name}-{number}"
            connection.join(group)
            assert group in connection.groups
            assert connection.send(group)
            connection.token = group
            connection.leave(group)
            assert not any(each == f"{name}-{number}" for each in connection.groups)
        return 30

    threads = [Running(work, f"t{number}") for number in range(4)]
    assert [each.result() for each in threads] == [30] * 4
    for name in range(4):
        connection.leave(f"t{name}-29")
    received = [client.receive() for _ in range(120)]
    assert sorted(received) == sorted(f"t{name}-{n}" for name in range(4) for n in range(30))
    connection.token = None
    assert not connection.node.groups


def test_an_offloaded_filter_that_waits_in_gevent_may_use_the_connection_too(
    serve: Serve, connect: Connect
) -> None:
    class Sleep(WebSocketMessageFilter):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            gevent.sleep(0)  # the thread has a hub of its own now
            web_socket_instance.join("room")
            web_socket_instance.send("one")
            web_socket_instance.broadcast("two", "room", include_self=True)
            web_socket_instance.leave("room")

    client = connect(serve([Sleep]))
    for _ in range(3):
        client.send("go")
        assert [client.receive(), client.receive()] == ["one", "two"]
