"""Our own server over TLS: its versions, and the clients that it disconnects."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable
from http.client import HTTPSConnection
from typing import Any

import pytest

from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter

from .certificates import Identity
from .clients import PATIENCE, frame, upgrade
from .conftest import Connect, Serve
from .raw_http import open_socket, read_to_end
from .waiting import until


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a client context with this version only, even if it is weak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    return context


def scheme(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["wsgi.url_scheme"].encode()]


def test_messages_of_every_size_come_back_over_wss(
    serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve([Echo], **identity._asdict())
    assert server.url.startswith("wss://")
    client = connect(server, tls=True)
    for size in (0, 125, 16 * 1024, 16 * 1024 + 1, 1 << 20):
        client.send(b"x" * size)
        assert client.receive() == b"x" * size


class Large(WebSocketMessageFilter):
    """Send as many bytes as a message says, and small messages after them."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(bytes(range(256)) * (int(data.text) // 256))
        for number in range(100):
            web_socket_instance.send(str(number))


def test_a_message_larger_than_the_kernel_takes_arrives_whole(
    serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve([Large], max_queue=64 << 20, **identity._asdict())
    client = connect(server, tls=True)
    size = 16 << 20
    client.send(str(size))
    (connection,) = server.users.values()
    until(lambda: connection.waiting)
    server.broadcast("meanwhile")
    assert client.receive() == bytes(range(256)) * (size // 256)
    assert [client.receive() for _ in range(100)] == [str(number) for number in range(100)]
    assert client.receive() == "meanwhile"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_later_are_accepted(
    version: ssl.TLSVersion, serve: Serve, identity: Identity
) -> None:
    server = serve(**identity._asdict())
    with client_context(version).wrap_socket(open_socket(server)) as client:
        assert client.version() == version.name.replace("_", ".")


def test_tls_1_1_is_refused_by_the_server(serve: Serve, identity: Identity) -> None:
    server = serve(**identity._asdict())
    context = client_context(ssl.TLSVersion.TLSv1_1)
    with open_socket(server) as bare, pytest.raises(ssl.SSLError) as caught:
        context.wrap_socket(bare)
    assert caught.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"  # an alert of the peer


def test_plain_http_is_served_over_tls(serve: Serve, identity: Identity) -> None:
    server = serve(extra={"application": scheme}, **identity._asdict())
    http = HTTPSConnection(
        "127.0.0.1", server.server_port, timeout=PATIENCE, context=client_context()
    )
    try:
        for _ in range(2):
            http.request("GET", "/")
            assert http.getresponse().read() == b"https"
    finally:
        http.close()


def test_a_client_without_tls_is_disconnected_and_others_stay(
    serve: Serve, connect: Connect, identity: Identity, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve([Echo], **identity._asdict())
    client = connect(server, tls=True)
    with open_socket(server) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in read_to_end(plain)
    client.send("still here")
    assert client.receive() == "still here"
    assert "Traceback" not in capfd.readouterr().err


def test_a_silent_client_is_disconnected_before_the_handshake(
    serve: Serve, identity: Identity
) -> None:
    server = serve(request_timeout=0.1, **identity._asdict())
    with open_socket(server) as mute:
        assert read_to_end(mute) == b""


def test_a_wss_client_that_vanishes_is_noticed(
    serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve([Echo], **identity._asdict())
    client = connect(server, tls=True)
    until(lambda: server.users)
    client.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: not server.live)
    assert server.node.counters.closes == {1006: 1}


class Leave(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.close()


@pytest.mark.parametrize("tls", [False, True])
def test_a_filter_that_keeps_the_environ_keeps_no_socket_open(
    tls: bool, serve: Serve, connect: Connect, identity: Identity
) -> None:
    kept = []

    class Keep(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            kept.append(data)

    client = connect(serve([Keep], **(identity._asdict() if tls else {})), tls=tls)
    client.socket.settimeout(20)
    client.close()
    assert client.frame().close[0] == 1000
    assert client.at_end()
    assert kept


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_after_the_closing_handshake_the_stream_ends_with_a_close_notify(
    version: ssl.TLSVersion, serve: Serve, identity: Identity
) -> None:
    server = serve([Echo], **identity._asdict())
    port = server.server_port
    assert port
    bare = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    with client_context(version).wrap_socket(bare, suppress_ragged_eofs=False) as client:
        client.sendall(upgrade(port))
        while not (got := client.recv(65536)).endswith(b"\r\n\r\n"):
            assert got
        client.sendall(frame(8, b"\x03\xe8"))
        assert client.recv(100) == b"\x88\x02\x03\xe8"
        assert client.recv(100) == b""  # without one it raises SSLEOFError


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({"close_timeout": 0.2, "greeting": True}, b"\x88\x02\x03\xe8"),
        ({"ping_interval": 0.2, "ping_timeout": 0.2, "greeting": False}, b"\x89\x00"),
    ],
    ids=["Close", "Ping"],
)
def test_a_client_that_does_not_answer_gets_a_close_notify(
    settings: dict[str, Any], last: bytes, serve: Serve, identity: Identity
) -> None:
    server = serve([Leave] if settings.pop("greeting") else [], **settings, **identity._asdict())
    port = server.server_port
    assert port
    bare = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    with client_context().wrap_socket(bare, suppress_ragged_eofs=False) as client:
        client.sendall(upgrade(port))
        seen = b""
        while got := client.recv(65536):  # without a close_notify it raises SSLEOFError
            seen += got
    assert seen.endswith(b"\r\n\r\n" + last)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /fws/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"NONSENSE\r\n\r\n",
    ],
)
def test_the_stream_of_an_http_answer_ends_with_a_close_notify(
    request_head: bytes, serve: Serve, identity: Identity
) -> None:
    server = serve([Echo], **identity._asdict())
    assert server.server_port
    bare = socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)
    with client_context().wrap_socket(bare, suppress_ragged_eofs=False) as client:
        client.sendall(request_head)
        answer = b""
        while got := client.recv(65536):  # without one it raises SSLEOFError
            answer += got
    assert answer.startswith(b"HTTP/1.1 ")
