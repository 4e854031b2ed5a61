"""Our own server: its construction and its answers."""

from __future__ import annotations

import gc
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.server import build_server, default_parser

from .clients import PATIENCE
from .conftest import Connect, Serve, Start
from .raw_http import exchange, open_socket, read_to_end, request


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


class Shout(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data.text.upper())


def whole_url(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}".encode()]


# Construction.


def test_missing_options_have_their_defaults(connect: Connect) -> None:
    server = build_server(Namespace(port=0), filters=[Echo])
    server.start()
    try:
        client = connect(server)
        client.send("hello")
        assert client.receive() == "hello"
        assert server.url == f"ws://127.0.0.1:{server.server_port}/"
        assert (server.settings.max_queue, server.settings.grace) == (1 << 20, 10.0)
        client.drop()
    finally:
        server.stop(0)


class Origin(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(str(web_socket_instance.server.socket.getsockname()[1]))


def test_a_filter_reaches_its_server(connect: Connect) -> None:
    server = build_server(Namespace(port=0), filters=[Origin])
    server.start()
    try:
        client = connect(server)
        client.send("where?")
        assert client.receive() == str(server.server_port)
        client.drop()
    finally:
        server.stop(0)


def test_the_parser_makes_options_for_build_server(connect: Connect) -> None:
    server = build_server(default_parser().parse_args(["-p", "0"]), filters=[Echo])
    server.start()
    try:
        client = connect(server)
        client.send("hello")
        assert client.receive() == "hello"
        client.drop()
    finally:
        server.stop(0)


def test_two_servers_in_one_process_have_their_own_filters_and_users(
    serve: Serve, connect: Connect
) -> None:
    echoing, shouting = serve([Echo]), serve([Shout])
    quiet, loud = connect(echoing), connect(shouting)
    quiet.send("a")
    loud.send("a")
    assert (quiet.receive(), loud.receive()) == ("a", "A")
    echoing.broadcast("to one server")
    shouting.broadcast("to the other")
    assert (quiet.receive(), loud.receive()) == ("to one server", "to the other")


def test_a_server_has_the_filters_defined_by_its_start_and_none_later(connect: Connect) -> None:
    servers = [build_server(Namespace(port=0, grace=0.5)) for _ in range(2)]

    class Early(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send("early")

    servers[0].start()

    class Late(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send("late")

    servers[1].start()
    try:
        first, second = connect(servers[0]), connect(servers[1])
        for client in (first, first, second):
            client.send("who is there?")
        assert [first.receive(), first.receive()] == ["early", "early"]
        assert [second.receive(), second.receive()] == ["early", "late"]
    finally:
        for server in servers:
            server.stop(0)


def test_filter_modules_are_imported_from_the_current_folder(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_filters.py").write_text(
        "from fws_gevent.filters.base import WebSocketMessageFilter\n"
        "class Mine(WebSocketMessageFilter):\n"
        "    @classmethod\n"
        "    def filter(cls, web_socket_instance):\n"
        "        web_socket_instance.send('mine')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    server = build_server(Namespace(port=0, filters=["my_own_filters"]))
    server.start()
    try:
        client = connect(server)
        client.send("whose?")
        assert client.receive() == "mine"
    finally:
        server.stop(0)
        del sys.modules["my_own_filters"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("this is no Python", "SyntaxError"),
        ("raise RuntimeError('first\\nsecond')", "RuntimeError: first"),
        (
            "from fws_gevent.filters.base import WebSocketMessageFilter\n"
            "class Wrong(WebSocketMessageFilter):\n"
            "    def filter(self, web_socket_instance): pass\n",
            "Wrong.filter is not a classmethod",
        ),
    ],
)
def test_a_failing_filter_module_is_reported_in_one_line(
    content: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_filters.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        build_server(Namespace(port=0, filters=["failing_filters"]))
    text = str(caught.value)
    assert "failing_filters" in text
    assert says in text
    assert "\n" not in text


def test_a_server_with_redis_shares_its_storage_and_reports_gaps() -> None:
    for given in ({"redis_url": "redis://127.0.0.1:1/0"}, {"redis_host": "127.0.0.1"}):
        server = build_server(Namespace(port=0, **given), filters=[])
        assert server.storage_object.shared
        server.node.events.freeze_chains()
        names = [each.__name__ for each in server.node.events.chains["gap"].filters]
        assert names == ["NotifyGapFilter"]


def complaint(serve: Serve, **settings: Any) -> str:
    """Return the error of a server that can't listen; a socket left open would warn."""
    with pytest.raises(ConfigurationError) as caught:
        serve(**settings)
    text = str(caught.value)
    del caught
    gc.collect()
    return text


def test_a_port_in_use_is_named(serve: Serve) -> None:
    port = serve().server_port
    assert complaint(serve, port=port) == (
        f"can't listen on 127.0.0.1 port {port}: Address already in use"
    )


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (
            "203.0.113.1",
            "Cannot assign requested address",
        ),  # TEST-NET-3: not an address of any machine
        ("no.such.host.invalid", "(?:[Nn]ame|resolution)"),
    ],
)
def test_an_address_that_is_not_ours_is_named_with_the_reason(
    serve: Serve, host: str, why: str
) -> None:
    assert re.fullmatch(f"can't listen on {host} port 0: .*{why}.*", complaint(serve, host=host))


def test_further_arguments_are_passed_to_gevent(serve: Serve) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["my.own"].encode()]

    server = serve(extra={"application": application, "environ": {"my.own": "here"}})
    (answer,) = exchange(server, request("GET / HTTP/1.0"))
    assert answer.body == b"here"


@pytest.mark.parametrize(
    ("patch", "warned"),
    [
        ("", True),
        ("from gevent import monkey; monkey.patch_socket()", True),
        ("from gevent import monkey; monkey.patch_all()", False),
    ],
)
def test_only_an_unpatched_program_is_warned(patch: str, warned: bool, start: Start) -> None:
    program = start(
        "-c",
        f"{patch}\n"
        "import socket, time\n"
        "before = socket.socket, time.sleep\n"
        "from argparse import Namespace\n"
        "from fws_gevent.server import build_server\n"
        "build_server(Namespace(port=0))\n"
        "assert (socket.socket, time.sleep) == before, 'importing it patched'\n",
    )
    assert program.wait() == 0, program.output
    assert ("monkey.patch_all()" in program.output) is warned


# Answers.


def test_without_an_application_plain_http_gets_426(serve: Serve) -> None:
    (answer,) = exchange(serve(), request("GET /page HTTP/1.0"))
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["sec-websocket-version"] == "13"
    assert b"ws://" in answer.body


def test_an_answer_to_head_has_no_body(serve: Serve) -> None:
    with open_socket(serve()) as client:
        client.sendall(request("HEAD / HTTP/1.1", "Connection: close"))
        head, _, body = read_to_end(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 426 ")
    assert body == b""


def test_an_application_serves_only_requests_that_are_not_upgrades(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Echo], extra={"application": whole_url})
    http = HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    try:
        http.request("GET", "/a%20page?b=c")
        answer = http.getresponse()
        assert (answer.status, answer.read()) == (200, b"/a page?b=c")
    finally:
        http.close()
    client = connect(server, "/a%20page?b=c")
    client.send("hello")
    assert client.receive() == "hello"
