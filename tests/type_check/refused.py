"""Code of users that type checkers must refuse. It is checked by `make lint`, and never run.

Each line with an error has a comment that names it. mypy in strict mode reports every such comment
that is not needed: where a line is accepted, `make lint` fails.
"""

from __future__ import annotations

from flask import Flask

from fws_gevent import (
    Connection,
    FilteredWebSocket,
    Message,
    Node,
    Settings,
    TokenGrant,
    isolated_filters,
    signals,
)
from fws_gevent.filters.base import FilterBase, StopChain, WebSocketMessageFilter
from fws_gevent.server import build_server, default_parser


class Wrong(WebSocketMessageFilter):
    on_error = "ignore"  # type: ignore[assignment]
    offload = "yes"  # type: ignore[assignment]
    filter = "a text"  # type: ignore[assignment]


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Connection, data: Message) -> None:
        web_socket_instance.send(1)  # type: ignore[arg-type]
        web_socket_instance.send()  # type: ignore[call-arg]
        web_socket_instance.broadcast({"text": "hello"})  # type: ignore[arg-type]
        web_socket_instance.broadcast(data, group=5)  # type: ignore[arg-type]
        web_socket_instance.join(None)  # type: ignore[arg-type]
        web_socket_instance.close("bye")  # type: ignore[arg-type]
        web_socket_instance.nope()  # type: ignore[attr-defined]
        web_socket_instance.groups = frozenset()  # type: ignore[misc]
        data.text = b"bytes"  # type: ignore[assignment]
        raise StopChain(5).nope  # type: ignore[attr-defined]


def extension(app: Flask) -> FilteredWebSocket:
    FilteredWebSocket("app")  # type: ignore[arg-type]
    FilteredWebSocket(app, None, [Echo])  # type: ignore[call-arg]
    FilteredWebSocket(app, filters=[str])  # type: ignore[list-item]
    fws = FilteredWebSocket(app, filters=[Echo])

    @fws.token_for_request  # type: ignore[type-var]
    def number() -> int:
        return 5

    @fws.token_for_request  # type: ignore[type-var]
    def with_argument(subject: str) -> str:
        return subject

    @fws.token_for_subject  # type: ignore[type-var]
    def without_argument() -> str:
        return "ada"

    TokenGrant("ada")  # type: ignore[call-arg]
    TokenGrant(subject=5)  # type: ignore[arg-type]
    TokenGrant(subject="ada").subject = "bob"  # type: ignore[misc]
    return fws


def views(fws: FilteredWebSocket) -> None:
    fws.send("text")  # type: ignore[call-arg]
    fws.send("text", "ada")  # type: ignore[call-arg]
    fws.send(1, to="ada")  # type: ignore[arg-type]
    fws.send_to("ada", 1)  # type: ignore[arg-type]
    fws.broadcast(None)  # type: ignore[arg-type]
    fws.disconnect("ada")  # type: ignore[call-arg]
    fws.issue_token("ada", groups=5)  # type: ignore[arg-type]
    fws.issue_token("ada", ttl="60")  # type: ignore[arg-type]
    fws.issue_tokens("ada")["token"]  # type: ignore[typeddict-item]
    fws.issue_ticket()  # type: ignore[call-arg]
    fws.revoke("ada")  # type: ignore[call-arg]
    fws.hooks  # type: ignore[attr-defined]  # noqa: B018
    fws.web  # type: ignore[attr-defined]  # noqa: B018
    member = fws.members("room")[0]
    member.nope  # type: ignore[attr-defined]  # noqa: B018
    member["id"]  # type: ignore[call-overload]
    member.id = "another"  # type: ignore[misc]


def servers() -> None:
    server = build_server(default_parser().parse_args())
    server.broadcast(1)  # type: ignore[arg-type]
    server.users["c1"].nope()  # type: ignore[attr-defined]
    build_server(filters=[FilterBase()])  # type: ignore[list-item]
    build_server({"port": 9000})  # type: ignore[arg-type]
    Settings(port="9000")  # type: ignore[arg-type]
    Settings(no_such_setting=True)  # type: ignore[call-arg]
    Settings().port = 9000  # type: ignore[misc]
    with isolated_filters("fws_gevent.filters.rate_limit"):  # type: ignore[arg-type]
        pass


@signals.client_connected.connect  # type: ignore[type-var]
def too_few(server: Node) -> None:
    pass


@signals.client_connected.connect  # type: ignore[type-var]
def wrong_names(server: Node, connection: Connection, environ: dict[str, str]) -> None:
    pass


signals.client_connected.connect("a text")  # type: ignore[type-var]
