"""The results of filters, and messages that filters change in place."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from fws_gevent.errors import TextNotUTF8, UnfitResult
from fws_gevent.filters.base import WebSocketDataFilter, WebSocketMessageFilter
from fws_gevent.filters.broadcast_message_filter import BroadcastMessageFilter
from fws_gevent.filters.results import any_value, message, raw_data
from fws_gevent.message import BinaryMessage, CheckedMessage, Message, checked_message

from ..conftest import Connect, Serve

Edit = Callable[[Any], Any]
TEXT = "gr\u00fc\u00dfe"


def cut(data: Any) -> None:
    del data[3:]


def put(data: Any) -> None:
    data[0] = 0xFF


def add(data: Any) -> None:
    data += b"\xe2\x82"


IN_PLACE: list[Edit] = [
    cut, put, add, lambda data: data.append(0xFF), lambda data: data.extend(b"\xff"),
    lambda data: data.insert(0, 0x80), lambda data: (data.pop(2), None)[1],
    lambda data: data.reverse(),
]  # fmt: skip
RETURNED: list[Edit] = [
    lambda data: data[:3], lambda data: data[::-1], lambda data: data + b"\xff",
    lambda data: data.replace(b"\xc3", b""), lambda data: Message(b"\xff"),
    lambda data: bytes(data)[:3], lambda data: "\ud800", lambda data: data.split(b"\xbc")[0],
]  # fmt: skip


def filter_that(edit: Edit, **options: Any) -> type[WebSocketMessageFilter]:
    """Define a filter of messages that returns the result of `edit`."""

    def run(cls: Any, web_socket_instance: Any, data: Any = None) -> Any:
        return edit(data)

    meta: Any = type(WebSocketMessageFilter)
    kind: type[WebSocketMessageFilter] = meta(
        "Editing", (WebSocketMessageFilter,), {"filter": classmethod(run), **options}
    )
    return kind


@pytest.mark.parametrize("edit", [*IN_PLACE, *RETURNED])
def test_a_text_that_a_filter_broke_is_not_sent_and_counts_as_its_failure(
    edit: Edit, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    editing = filter_that(edit)
    server = serve([editing, BroadcastMessageFilter])
    sender, other = connect(server), connect(server)
    sender.send(TEXT)
    assert sender.frame().close == (1011, "a filter failed")
    server.broadcast("next")
    assert other.receive() == "next"
    assert server.node.events.chains["message"].failures == {editing: 1}
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "Editing failed on <Connection" in record.getMessage()
    assert "must be UTF-8" in record.getMessage()
    assert record.exc_info is None  # it is one line


@pytest.mark.parametrize("how", ["send", "broadcast", "sendMessage"])
@pytest.mark.parametrize("offload", [False, True])
def test_a_text_that_is_not_utf8_does_not_leave_from_within_a_filter(
    how: str, offload: bool, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Sending(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            getattr(web_socket_instance, how)(data[:3])

    Sending.offload = offload
    server = serve([Sending])
    sender, other = connect(server), connect(server)
    sender.send(TEXT)
    assert sender.frame().close == (1011, "a filter failed")
    server.broadcast("next")
    assert other.receive() == "next"
    assert any("Sending failed on <Connection" in line for line in caplog.messages)


def test_with_skip_the_chain_continues_with_the_data_before(serve: Serve, connect: Connect) -> None:
    server = serve([filter_that(lambda data: data[:3], on_error="skip"), BroadcastMessageFilter])
    sender, other = connect(server), connect(server)
    sender.send(TEXT)
    assert other.receive() == TEXT


KEPT: list[tuple[Edit, str]] = [
    (lambda data: data.upper(), "HELLO"),
    (lambda data: data[1:], "ello"),
    (lambda data: data + b"!", "hello!"),
    (lambda data: b"> " + data, "> hello"),
    (lambda data: data.split(b"l")[0], "he"),
    (lambda data: re.sub(rb"l+", b"L", data), "heLo"),
    (lambda data: b" ".join([data, data]), "hello hello"),
    (lambda data: memoryview(data)[:2], "he"),
    (lambda data: data.text.title(), "Hello"),
    (lambda data: cut(data), "hel"),
]


@pytest.mark.parametrize(("edit", "text"), KEPT)
def test_a_text_stays_a_text_and_binary_stays_binary(
    edit: Edit, text: str, serve: Serve, connect: Connect
) -> None:
    seen: list[Any] = []

    class Next(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append((data.binary, data.text))

    server = serve([filter_that(edit), Next, BroadcastMessageFilter])
    sender, other = connect(server), connect(server)
    sender.send("hello")
    assert other.receive() == text
    sender.send(b"hello")
    binary = not isinstance(edit(BinaryMessage(b"hello")), str)
    assert other.receive() == (text.encode() if binary else text)
    assert seen == [(False, text), (binary, text)]


def test_other_values_are_passed_on_unchanged() -> None:
    for value in (5, {"a": 1}, ["a"], object()):
        assert message(value, checked_message(b"a")) is value
        assert any_value(value, None) is value
    checked, binary = checked_message(b"a"), BinaryMessage(b"\xff")
    assert message(checked, checked) is checked
    assert message(binary, checked) is binary


def test_bytes_in_place_of_another_value_are_binary() -> None:
    assert type(message(b"\xff", {"a": 1})) is BinaryMessage
    assert type(message("a", {"a": 1})) is CheckedMessage


def test_a_changed_text_is_checked_once_and_sent() -> None:
    changed = checked_message(b"abc")
    changed += b"d"
    assert type(message(changed, changed)) is CheckedMessage
    with pytest.raises(TextNotUTF8):
        message(Message(b"\xff"), changed)


@pytest.mark.parametrize("result", ["text", 5, ["a"], {"a": 1}, object(), True])
def test_raw_data_other_than_bytes_closes_with_1011_and_the_log_names_the_filter(
    result: Any, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong(WebSocketDataFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> Any:
            return result

    server = serve([Wrong, BroadcastMessageFilter])
    client = connect(server)
    client.send("hello")
    assert client.frame().close == (1011, "a filter failed")
    assert any(
        "Wrong failed on <Connection" in line and f"it returned {type(result).__name__}" in line
        for line in caplog.messages
    )


def test_raw_data_may_be_bytes_of_every_kind() -> None:
    for data in (b"ab", bytearray(b"ab"), memoryview(b"ab"), Message(b"ab")):
        assert raw_data(data, b"") == b"ab"
        assert isinstance(raw_data(data, b""), bytes | bytearray)
    assert raw_data(memoryview(b"abcd")[::2], b"") == b"ac"
    with pytest.raises(UnfitResult):
        raw_data("ab", b"")
