"""A server and a WSGI application show the node that they have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fws_gevent.application import FilteredWebSocketApplication
from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.node.facade import NodeFacade
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.settings import Settings
from tests.conftest import Connect, Serve
from tests.waiting import until

from .guarded import of

Make = Callable[[Settings], NodeFacade]


@pytest.mark.parametrize("make", [FilteredWebSocketServer, FilteredWebSocketApplication])
def test_it_shows_what_its_node_has(make: Make) -> None:
    facade = make(Settings(port=0))
    for name in ("settings", "users", "groups", "queue", "storage_object", "tokens", "live"):
        assert getattr(facade, name) is getattr(facade.node, name)


@pytest.mark.parametrize("make", [FilteredWebSocketServer, FilteredWebSocketApplication])
def test_it_is_healthy_while_its_node_is(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    facade = make(Settings(port=0))
    assert facade.healthy is True
    monkeypatch.setattr(MemoryBroker, "healthy", False)
    assert facade.healthy is False


def test_it_sends_to_and_closes_the_connections_of_its_node(
    serve: Serve, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    one, two = connect(server), connect(server)
    until(lambda: len(server.users) == 2)
    first, second = of(server, one), of(server, two)
    second.join("room")
    server.broadcast("to all", exclude=second)
    server.broadcast("to the room", "room")
    server.broadcast_here("here")
    server.broadcast_here("here in the room", "room")
    assert (one.receive(), one.receive()) == ("to all", "here")
    assert [two.receive() for _ in range(3)] == ["to the room", "here", "here in the room"]
    assert [member.id for member in server.members("room")] == [second.id]
    assert server.disconnect(id=first.id, code=4000, reason="bye") == 1
    assert one.frame().close == (4000, "bye")
    server.print("printed")
    until(lambda: capsys.readouterr().out == "printed\n")
