"""An upgrade that gunicorn parsed, with middleware before the application."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent.socket
import pytest

from fws_gevent.workers.gunicorn_upgrade import GunicornUpgrade, UpgradeAnswer

HEADERS = [("Upgrade", "websocket")]


class Gunicorn:
    """gunicorn's side: a socket, and the response that it sends."""

    def __init__(self, client: Any, early: bytes = b"") -> None:
        self.client = client
        self.sent: list[str] = []
        self.taken = 0
        unreader = SimpleNamespace(take_buffered=lambda: early)
        parsed = SimpleNamespace(uri="/ws", unreader=unreader, method="GET", version=(1, 1))
        self.upgrade = GunicornUpgrade(parsed, client, self._on_taken)
        self.upgrade.start_response = self._start_response

    def _on_taken(self) -> None:
        self.taken += 1

    def _start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self.sent.append(f"head {status}")
        return lambda data: self.sent.append(f"write {data!r}")


@pytest.fixture
def gunicorn() -> Iterator[Gunicorn]:
    left, right = gevent.socket.socketpair()
    yield Gunicorn(left, b"early")
    for each in (left, right):
        with contextlib.suppress(OSError):
            each.close()


def take(gunicorn: Gunicorn, start_response: Callable[..., Any] | None = None) -> None:
    """Have the application take the socket, through a middleware's `start_response`."""
    taken, early = gunicorn.upgrade.take(HEADERS, start_response or gunicorn.upgrade.start)
    assert early == b"early"
    assert taken.gettimeout() == 0
    assert gunicorn.client.fileno() == -1
    taken.close()


SWITCHED = ["head 101 Switching Protocols", "write b''"]


def test_the_answer_goes_through_the_middleware(gunicorn: Gunicorn) -> None:
    seen = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        seen.append((status, headers))
        return gunicorn.upgrade.start(status, headers, exc_info)

    take(gunicorn, start_response)
    assert seen == [("101 Switching Protocols", HEADERS)]
    assert gunicorn.sent == SWITCHED
    assert gunicorn.taken == 1


def test_a_middleware_that_keeps_the_answer_back_holds_up_nothing(gunicorn: Gunicorn) -> None:
    kept = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        kept.append((status, headers))
        return lambda data: None

    take(gunicorn, start_response)
    gunicorn.upgrade.start(*kept[0])(b"late")
    assert gunicorn.sent == SWITCHED


def test_a_middleware_that_keeps_written_bytes_back_delays_nothing(gunicorn: Gunicorn) -> None:
    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        gunicorn.upgrade.start(status, headers, exc_info)
        return lambda data: None

    take(gunicorn, start_response)
    assert gunicorn.sent == SWITCHED


def test_an_error_after_the_socket_was_taken_is_raised_as_pep_3333_has_it(
    gunicorn: Gunicorn,
) -> None:
    take(gunicorn)
    error = RuntimeError("in a middleware")
    with pytest.raises(RuntimeError, match="in a middleware"):
        gunicorn.upgrade.start("500 Oops", [], (RuntimeError, error, None))
    gunicorn.upgrade.start("200 OK", [])(b"not sent")
    gunicorn.upgrade.write(b"nor this")
    assert gunicorn.sent == SWITCHED


def test_the_answer_of_the_application_is_iterated_to_its_end_and_closed(
    gunicorn: Gunicorn,
) -> None:
    events: list[str] = []

    def answer() -> Iterator[bytes]:
        try:
            yield b"before"
            take(gunicorn)
            yield b"after"
            events.append("end")
        finally:
            events.append("closed")

    whole = UpgradeAnswer(answer(), gunicorn.upgrade)
    assert list(whole) == [b"before"]
    assert events == ["end", "closed"]
    whole.close()
    UpgradeAnswer([b"x"], gunicorn.upgrade).close()


def test_the_socket_of_a_client_that_is_gone_is_not_taken(gunicorn: Gunicorn) -> None:
    def gone(status: str, headers: Any, exc_info: Any = None) -> Any:
        raise ConnectionResetError

    gunicorn.upgrade.start_response = gone
    with pytest.raises(OSError):  # noqa: PT011 - any of a socket's
        gunicorn.upgrade.take(HEADERS, gunicorn.upgrade.start)
    assert not gunicorn.upgrade.taken
