"""Code of users that type checkers must accept. It is checked by `make lint`, and never run."""

from __future__ import annotations

from argparse import Namespace
from typing import Any, assert_type

from flask import Flask, jsonify

from fws_gevent import (
    BinaryMessage,
    Claims,
    CloseCode,
    Closed,
    Connection,
    FilteredWebSocket,
    Member,
    Message,
    Node,
    Publisher,
    RedisStorageObject,
    Settings,
    TokenGrant,
    TokenResponse,
    isolated_filters,
    signals,
    storage,
)
from fws_gevent.filters import rate_limit
from fws_gevent.filters.base import (
    FilterBase,
    FilterMeta,
    StopChain,
    WebSocketConnectFilter,
    WebSocketConsumerFilter,
    WebSocketDataFilter,
    WebSocketDisconnectFilter,
    WebSocketGapFilter,
    WebSocketMessageFilter,
)
from fws_gevent.server import FilteredWebSocketServer, build_server, default_parser

# Filters, of both signatures.


class Echo(WebSocketMessageFilter):
    on_error = "skip"
    offload = True

    @classmethod
    def filter(cls, web_socket_instance: Connection, data: Message) -> Message | None:
        sent = web_socket_instance.send(data.upper())
        assert_type(sent, bool)
        web_socket_instance.send("text")
        web_socket_instance.send(b"bytes")
        web_socket_instance.broadcast(BinaryMessage(b"bytes"), group="room", include_self=True)
        web_socket_instance.join("room")
        web_socket_instance.leave("room")
        assert_type(web_socket_instance.groups, frozenset[str])
        assert_type(web_socket_instance.subject, str | None)
        assert_type(web_socket_instance.id, str)
        assert_type(data.text, str)
        if data == "bye":
            web_socket_instance.close(CloseCode.NORMAL, "bye")
            raise StopChain("bye")
        return None


class EchoTwice(Echo):
    @classmethod
    def filter(cls, web_socket_instance: Connection, data: Message) -> None:
        super().filter(web_socket_instance, data)
        web_socket_instance.send(data)


class Greet(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Connection) -> None:
        web_socket_instance.data["greeted"] = True


class Arrival(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Connection, data: dict[str, Any]) -> None:
        web_socket_instance.send(data["PATH_INFO"])


class Raw(WebSocketDataFilter):
    @staticmethod
    def filter(web_socket_instance: Connection, data: bytes) -> bytes:
        return data + web_socket_instance.path.encode()


class Bye(WebSocketDisconnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Connection, data: Closed) -> None:
        web_socket_instance.print(f"{data.code} {data.reason}")


class Outside(WebSocketConsumerFilter):
    @classmethod
    def filter(cls, web_socket_instance: Node, data: dict[str, Any]) -> None:
        web_socket_instance.broadcast(data["data"], group="room")


class Gap(WebSocketGapFilter):
    @classmethod
    def filter(cls, web_socket_instance: Node, data: dict[str, Any] | None = None) -> None:
        pass


class AMeta(FilterMeta):
    pass


class A(FilterBase, metaclass=AMeta):
    pass


class B(A):
    @classmethod
    def filter(cls, web_socket_instance: object) -> str:
        return "b"


def run_by_hand() -> None:
    A.run(None)
    A.run(None, "data")
    assert_type(A.filters, tuple[type[FilterBase], ...])


# The Flask extension.


def extension() -> FilteredWebSocket:
    app = Flask(__name__)
    fws = FilteredWebSocket(app)
    FilteredWebSocket(filters=[Echo], storage_object=storage.MemoryStorageObject()).init_app(app)

    @fws.token_for_request
    def user() -> TokenGrant | None:
        return TokenGrant(subject="ada", groups=["room:*"], scope="publish", ttl=60)

    @fws.token_for_request
    def user_as_dict() -> dict[str, Any]:
        return {"subject": "ada", "groups": ("room",)}

    @fws.token_for_request
    def user_alone() -> str:
        return "ada"

    @fws.token_for_subject
    def rights(subject: str) -> TokenGrant | str | None:
        return subject

    assert_type(user(), TokenGrant | None)
    assert_type(rights("ada"), TokenGrant | str | None)

    @app.post("/login")
    def login() -> Any:
        return jsonify(fws.issue_tokens("ada", groups=["room"], scope=["publish"], ttl=60))

    return fws


def views(fws: FilteredWebSocket) -> list[str]:
    fws.send("text", to="ada")
    fws.send_to("ada", b"bytes")
    fws.broadcast(Message(b"text"), group="room")
    assert_type(fws.disconnect(subject="ada"), int)
    assert_type(fws.disconnect(id="c1", code=4000, reason="out"), int)
    assert_type(fws.issue_token("ada", ["room"], "publish status", 60), str)
    assert_type(fws.issue_ticket("ada", scope={"publish"}), str)
    pair = fws.issue_tokens("ada")
    assert_type(pair, TokenResponse)
    assert_type(pair["access_token"], str)
    assert_type(pair.get("refresh_token"), str | None)
    fws.revoke(subject="ada")
    fws.revoke(token=pair["access_token"])
    assert_type(fws.server, Node)
    members = fws.members("room")
    assert_type(members, list[Member])
    group, name, subject, node = members[0]
    assert_type(subject, str | None)
    return [group, name, node, *(each.id for each in members)]


def claims_of(connection: Connection) -> Claims | None:
    return connection.token if isinstance(connection.token, Claims) else None


# Servers.


def program() -> None:
    options = default_parser().parse_args()
    assert_type(options, Namespace)
    server = build_server(options, RedisStorageObject("localhost"), filters=[Echo, Greet])
    assert_type(server, FilteredWebSocketServer)
    for name, connection in server.users.items():
        assert_type(name, str)
        connection.send("hello")
    server.broadcast("hello", group="room")
    server.queue.put({"data": "x"})
    server.start()
    server.stop(timeout=1.0)
    server.serve_forever()


def with_settings() -> None:
    settings = Settings(port=9000, auth="required", allowed_origins=("https://example.com",))
    assert_type(settings.port, int)
    assert_type(settings.grace, float)
    with isolated_filters(rate_limit, Echo) as filters:
        build_server(settings=settings, filters=filters)


def script() -> None:
    assert_type(Publisher("redis://localhost").publish("text", "room"), str)


# Subscribers of the buses.


@signals.client_connected.connect
def connected(server: Node, web_socket_instance: Connection, data: dict[str, Any]) -> None:
    server.broadcast(f"{web_socket_instance.id} {data['PATH_INFO']}")


@signals.member_joined.connect
def joined(server: Node, web_socket_instance: Node, data: Member) -> None:
    server.broadcast(data.id)


@signals.message_received.connect
def anything(server: object, **event: Any) -> None:
    pass


class Hears:
    def on_gap(self, server: Node, web_socket_instance: Node, data: dict[str, Any]) -> None:
        pass


def subscribe(server: FilteredWebSocketServer) -> None:
    signals.gap.connect(Hears().on_gap, sender=server, weak=False)
