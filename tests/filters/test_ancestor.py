"""The filters of filtered_websocket run in our servers with only their imports changed."""

from __future__ import annotations

import inspect
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from fws_gevent.filters.base import FilterBase, FilterMeta

from ..clients import frame
from ..conftest import Connect, Serve
from ..waiting import until


def ancestor(name: str) -> list[type[FilterBase]]:
    """Return the filters that a module of the installed filtered_websocket defines."""
    spec = find_spec(f"filtered_websocket.filters.{name}")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text("utf-8")
    theirs, ours = "\nfrom .base import ", "\nfrom fws_gevent.filters.base import "
    assert source.count(theirs) == 1
    module = ModuleType(f"ancestor_{name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one module escapes \s in a string that is not raw
        code = compile(source.replace(theirs, ours), spec.origin, "exec", dont_inherit=True)
    exec(code, module.__dict__)
    filters = [
        each
        for each in vars(module).values()
        if inspect.isclass(each)
        and issubclass(each, FilterBase)
        and each.__module__ == module.__name__
    ]
    assert filters
    return filters


def test_messages_are_printed(
    serve: Serve, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(ancestor("stdout_messages"))
    client = connect(server)
    until(lambda: server.users)
    (name,) = server.users
    client.send("hello")
    client.close()
    assert client.frame().close[0] == 1000
    assert capsys.readouterr().out == f"--MESSAGE--\n{name} => hello\n"


def test_raw_data_is_printed(
    serve: Serve, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(serve(ancestor("stdout_rawdata")))
    data = frame(1, b"hello") + frame(8, b"\x03\xe8")
    client.raw(data)
    assert client.frame().close[0] == 1000
    assert capsys.readouterr().out == f"--RAWDATA--\n{data!r}\n"


def test_events_of_the_consumer_chain_are_printed(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(ancestor("stdout_pubsub"))
    server.queue.put({"type": "message", "data": "hello"})
    printed: list[str] = []

    def all_there() -> bool:
        printed.append(capsys.readouterr().out)
        return "".join(printed) == "--PUBSUB--\n{'type': 'message', 'data': 'hello'}\n"

    until(all_there)


@pytest.mark.parametrize("message", ["hello", "grüße", b"\x00\xff"])
def test_messages_go_to_all_others(message: str | bytes, serve: Serve, connect: Connect) -> None:
    server = serve(ancestor("broadcast_messages"))
    sender, *others = (connect(server) for _ in range(3))
    sender.send(message)
    assert [each.receive() for each in others] == [message, message]
    others[0].send("the next")
    assert sender.receive() == "the next"


def test_messages_go_to_the_group_of_their_token(serve: Serve, connect: Connect) -> None:
    server = serve(ancestor("broadcast_messages_by_token"))
    one, two, away, none = (connect(server) for _ in range(4))
    for client, name in ((one, "a"), (two, "a"), (away, "b")):
        client.send(f"token:{name}")
        assert client.receive() == f"Successfully registered with broadcast group: b'{name}'"
    one.send("to a")
    assert two.receive() == "to a"
    none.send("to nobody")
    assert none.receive() == "Error: No token has been set"
    server.broadcast("to everybody")
    assert [each.receive() for each in (one, two, away, none)] == ["to everybody"] * 4


def test_a_connection_that_ended_is_out_of_the_storage(serve: Serve, connect: Connect) -> None:
    server = serve(ancestor("broadcast_messages_by_token"))
    client = connect(server)
    client.send("token:a")
    client.receive()
    assert server.storage_object.get(b"a") == set(server.users)
    client.drop()
    until(lambda: not server.live)
    assert server.storage_object.get(b"a") is None
    assert server.groups == {}


@pytest.mark.parametrize(
    ("data", "received"), [("hello", "hello"), (b"hello", "hello"), (b"\xff", b"\xff")]
)
def test_events_of_the_consumer_chain_go_to_all_connections(
    data: str | bytes, received: str | bytes, serve: Serve, connect: Connect
) -> None:
    server = serve(ancestor("broadcast_pubsub"))
    clients = [connect(server) for _ in range(2)]
    server.queue.put({"type": "message", "channel": "global", "data": data})
    assert [each.receive() for each in clients] == [received, received]


CHAIN = """\
from fws_gevent.filters.base import FilterBase, FilterMeta

class A(FilterBase):
    class __metaclass__(FilterMeta):
        pass

class B(A):
    @classmethod
    def filter(cls, web_socket_instance):
       print("foo")

class C(A):
    @classmethod
    def filter(cls, web_socket_instance):
        print("bar")

A.run(web_socket_instance)
"""


def test_a_chain_with_a_metaclass_inside_runs_its_filters_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(CHAIN, {"__name__": "chain", "web_socket_instance": object()})
    assert capsys.readouterr().out == "foo\nbar\n"


def test_a_metaclass_inside_is_the_class_of_the_chain_and_its_filters() -> None:
    made: list[str] = []

    class A(FilterBase):
        class __metaclass__(FilterMeta):
            def __init__(cls, name: str, bases: Any, namespace: Any) -> None:
                super().__init__(name, bases, namespace)
                made.append(name)

            def shout(cls) -> str:
                return cls.__name__.upper()

    class Beta(A):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            pass

    chain, link = cast("Any", A), cast("Any", Beta)
    assert type(A) is type(Beta) is chain.__metaclass__
    assert (A.filters, made, link.shout()) == ((Beta,), ["A", "Beta"], "BETA")


def test_a_metaclass_of_another_kind_is_an_attribute_like_any_other() -> None:
    class A(FilterBase):
        pass

    assert type(A) is FilterMeta
