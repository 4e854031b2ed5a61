"""The body of a request ends where its headers say, or the connection ends."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest

from fws_gevent.wsgi.body import MAX_LINE, SLOWEST, BadBody, Body

from ..clocks import ManualClock
from ..conftest import Serve
from ..gunicorns import read_until
from ..raw_http import exchange, open_socket, request

POST = "POST / HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"


def body_of(data: bytes, length: int | None = None, *, chunked: bool = False) -> Body:
    """Return the body at the beginning of `data`."""
    return Body(io.BufferedReader(io.BytesIO(data), 16), length, chunked=chunked)


def behind(body: Body) -> bytes:
    """Return the bytes behind a body that was read."""
    assert body.whole
    rest: bytes = body.rfile.read()
    return rest


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        (b"0000000000000005\r\nhello\r\n000\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
        (b'5;a=b;c="d \xff"\r\nhello\r\n0 ; x\r\n\r\n', b"hello"),
        (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
        (b"0\r\nX-Sum: 1\r\nX-Note:\r\n\r\n", b""),
    ],
)
def test_a_chunked_body_is_read_to_its_end_and_not_further(data: bytes, said: bytes) -> None:
    body = body_of(data + b"GET", chunked=True)
    assert body.read() == said
    assert (body.read(), body.read(1), body.readline()) == (b"", b"", b"")
    assert behind(body) == b"GET"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"5",
        b"\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"0_5\r\nhello\r\n0\r\n\r\n",
        b"g\r\nhello\r\n0\r\n\r\n",
        b"5;a\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"5;\x00\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"a" * MAX_LINE + b"\r\nhello\r\n0\r\n\r\n",
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhel",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0\r\n",
        b"0\r\n\n",
        b"0\r\nnonsense\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: \x00\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\nHost: a\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"0\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 9 + b"\r\n",
    ],
)
def test_a_malformed_chunked_body_has_no_end(data: bytes) -> None:
    body = body_of(data, chunked=True)
    with pytest.raises(BadBody, match="malformed body"):
        body.read()
    assert not body.whole
    with pytest.raises(BadBody):
        body.readline()
    body._discard()  # further bytes can't be told from the body, so they aren't read
    assert not body.whole


def test_a_body_with_a_length_is_that_long() -> None:
    body = body_of(b"helloGET", 5)
    assert (body.read(2), body.read(0), body.read(9), body.read(1)) == (b"he", b"", b"llo", b"")
    assert behind(body) == b"GET"
    with pytest.raises(BadBody, match="ends early"):
        body_of(b"hell", 5).read()


@pytest.mark.parametrize("length", [None, 0])
def test_a_body_without_a_length_is_empty(length: int | None) -> None:
    body = body_of(b"GET", length)
    assert body.read() == b""
    assert behind(body) == b"GET"


LINES = b"one\n\ntwo, which is longer than what is buffered at once\nthree"


@pytest.mark.parametrize(
    "make",
    [
        lambda: body_of(LINES, len(LINES)),
        lambda: body_of(b"%x\r\n%b\r\n0\r\n\r\n" % (len(LINES), LINES), chunked=True),
        lambda: body_of(
            b"".join(b"1\r\n%c\r\n" % each for each in LINES) + b"0\r\n\r\n", chunked=True
        ),
    ],
)  # fmt: skip
def test_lines_are_read_as_of_a_file(make: Callable[[], Body]) -> None:
    assert make().readlines() == list(make()) == LINES.splitlines(keepends=True)
    body = make()
    assert (body.readline(2), body.readline(), body.readline(None)) == (b"on", b"e\n", b"\n")
    assert body.read(None) == LINES[5:]
    assert body.whole


class Dripping(io.RawIOBase):
    """A source that has one byte at a time, and each of them takes `seconds`."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._clock.advance(self._seconds)
        buffer[:1] = b"x"
        return 1


@pytest.mark.parametrize(("seconds", "dropped"), [(2.0, True), (0.5 / SLOWEST, False)])
def test_a_client_that_drips_is_dropped_and_a_slow_one_is_not(
    seconds: float, dropped: bool
) -> None:
    clock = ManualClock()
    body = Body(io.BufferedReader(Dripping(clock, seconds)), 5000, timeout=1.0, clock=clock)
    if not dropped:
        assert len(body.read()) == 5000
        return
    with pytest.raises(TimeoutError, match="timed out"):
        body.read()
    assert not body.whole


class Reader:
    """An application that reads the body in one of several ways."""

    def __init__(self, read: Callable[[Any], bytes] = lambda body: body.read()) -> None:
        self._read = read
        self.got: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.got.append(self._read(environ["wsgi.input"]))
        start_response("200 OK", [("Content-Length", "0")])
        return []


@pytest.mark.parametrize("read", [lambda body: body.read(), lambda _: b"hello"])
def test_after_a_body_comes_the_next_request_also_if_it_was_not_read(
    read: Callable[[Any], bytes], serve: Serve
) -> None:
    reader = Reader(read)
    answers = exchange(
        serve(extra={"application": reader}),
        request(POST, "Content-Length: 5") + b"hello"
        # A list may have empty members, and gevent knows no chunks under that name.
        + request(POST, "Transfer-Encoding: , chunked,") + b"5\r\nhello\r\n0\r\n\r\n"
        # gevent's own handler has applications read from the bare connection here.
        + request(POST, "Content-Length: 5", "Connection: upgrade") + b"hello"
        + request(POST, "Content-Length: 5", "Connection: close") + b"hello",
    )  # fmt: skip
    assert [answer.status for answer in answers] == [200] * 4
    assert reader.got == [b"hello"] * 4


@pytest.mark.parametrize("body", [b"5\nhello", b"x\r\n", b"5\r\nhello!\r\n"])
def test_an_application_that_reads_a_malformed_body_ends_in_400(
    body: bytes, serve: Serve, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = Reader()
    with caplog.at_level(logging.INFO):
        (answer,) = exchange(
            serve(extra={"application": reader}),
            request(POST, CHUNKED) + body + request("GET /smuggled HTTP/1.1"),
        )
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert reader.got == []
    assert "Traceback" not in caplog.text + capfd.readouterr().err


def test_an_unread_malformed_body_ends_the_connection(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    (answer,) = exchange(
        serve(extra={"application": Reader(lambda _: b"")}),
        request(POST, CHUNKED) + b"\r\n\r\n" + request("GET /smuggled HTTP/1.1"),
    )
    assert answer.status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_client_is_asked_for_its_body_when_the_application_wants_it(serve: Serve) -> None:
    reader = Reader()
    server = serve(extra={"application": reader})
    with open_socket(server) as client:
        client.sendall(request(POST, "Content-Length: 5", "Expect: 100-continue"))
        assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert reader.got == [b"hello"]


def test_a_body_that_was_not_asked_for_is_not_awaited(serve: Serve) -> None:
    server = serve(extra={"application": Reader(lambda _: b"")})
    (answer,) = exchange(server, request(POST, "Content-Length: 5", "Expect: 100-continue"))
    assert answer.status == 200


def test_a_client_of_http_1_0_is_not_asked(serve: Serve) -> None:
    reader = Reader()
    (answer,) = exchange(
        serve(extra={"application": reader}),
        request("POST / HTTP/1.0", "Content-Length: 5", "Expect: 100-continue") + b"hello",
    )
    assert (answer.status, reader.got) == (200, [b"hello"])


def test_a_body_that_stops_coming_is_given_up(serve: Serve) -> None:
    reader = Reader()
    server = serve(extra={"application": reader}, request_timeout=0.05)
    assert exchange(server, request(POST, "Content-Length: 5") + b"hel") == []
    assert reader.got == []
