"""Log lines: text for people, JSON for programs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import pytest

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.logs.configuration import ErrorStream, configure_if_silent, configure_logging
from fws_gevent.logs.loggers import get_logger

from ..conftest import Connect, Serve
from ..log_lines import LOGGER, logger_as_it_was, written
from ..pipes import Pipe
from ..raw_http import exchange, request

_as_it_was = pytest.fixture(autouse=True)(logger_as_it_was)

TEXT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +\S.*")


class Fail(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        raise RuntimeError("first line\nsecond line")


def test_text_lines_have_time_level_and_message() -> None:
    lines = written(configure_logging)
    logging.getLogger("fws_gevent.server").warning("it is %s", "late")
    (line,) = lines()
    assert TEXT.fullmatch(line)
    assert line.endswith(" WARNING it is late")


def test_json_lines_have_time_level_logger_message_and_extra_fields() -> None:
    lines = written(configure_logging, "info", "json")
    logging.getLogger("fws_gevent.server").warning("it is %s", "late\n", extra={"event": "x\n"})
    (line,) = lines()
    content = json.loads(line)
    assert content.pop("asctime")
    assert content == {
        "levelname": "WARNING", "name": "fws_gevent.server", "message": "it is late\\x0a",
        "event": "x\n",
    }  # fmt: skip


def test_a_traceback_is_inside_its_json_line() -> None:
    lines = written(configure_logging, "info", "json")
    try:
        raise RuntimeError("inside")
    except RuntimeError:
        LOGGER.exception("it failed")
    (line,) = lines()
    assert "RuntimeError: inside" in json.loads(line)["exc_info"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_lines_below_the_level_are_left_out(level: str) -> None:
    lines = written(configure_logging, level)
    for each in ("debug", "info", "warning", "error"):
        LOGGER.log(getattr(logging, each.upper()), "message %s", each)
    told = [line.rsplit(" ", 1)[1] for line in lines()]
    assert told == ["debug", "info", "warning", "error"][-len(told) :]
    assert told[0] == level


def test_configured_twice_a_line_is_logged_once() -> None:
    def twice() -> None:
        configure_logging("info", "json")
        configure_logging()

    lines = written(twice)
    LOGGER.info("once")
    assert len(lines()) == 1


def test_other_loggers_are_left_alone_and_get_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    others = StringIO()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [logging.StreamHandler(others)])
    lines = written(configure_logging)
    logging.getLogger("another").warning("theirs")
    LOGGER.warning("ours")
    assert others.getvalue() == "theirs\n"
    assert [line.rsplit(" ", 1)[1] for line in lines()] == ["ours"]


@pytest.mark.parametrize(("configured", "ours"), [(None, True), ("fws_gevent", False), ("", False)])
def test_the_configuration_of_the_program_stays(
    configured: str | None, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`configured` is the logger that the program configured; "" is the root of all loggers."""
    theirs = StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    if configured is not None:
        handlers = [logging.StreamHandler(theirs)]
        monkeypatch.setattr(logging.getLogger(configured), "handlers", handlers)
    lines = written(configure_if_silent, "info", "json")
    LOGGER.warning("hello")
    if ours:
        (line,) = lines()
        assert json.loads(line)["message"] == "hello"
    else:
        assert (lines(), theirs.getvalue()) == ([], "hello\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_filter_that_fails_is_told_with_its_name_and_traceback(
    form: str, serve: Serve, connect: Connect
) -> None:
    lines = written(configure_logging, "info", form)
    client = connect(serve([Fail]))
    client.send("fail")
    assert client.frame().close[0] == 1011
    told = lines()
    if form == "json":
        (content,) = [each for each in map(json.loads, told) if each["levelname"] == "ERROR"]
        told = [content["message"], *content["exc_info"].splitlines()]
    assert any(f"filter {__name__}.Fail failed on <Connection " in line for line in told)
    assert [line.strip() for line in told].count("RuntimeError: first line") == 1
    if form == "text":
        assert "  second line" in told


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_write_to_the_error_stream_is_one_record(form: str) -> None:
    lines = written(configure_logging, "info", form)
    stream = ErrorStream(get_logger("server"))
    stream.write("it failed\nTraceback …\n  here\n")
    stream.writelines(["one\n", "two\n"])
    stream.write("\n")
    stream.flush()
    told = lines()
    if form == "json":
        records = [json.loads(line) for line in told]
        assert [each["message"] for each in records] == ["it failed", "one"]
        assert records[0]["exc_info"] == "  Traceback …\n    here"
    else:
        assert told[0].endswith("it failed")
        assert told[1:3] == ["  Traceback …", "    here"]
        assert told[3].endswith("one")
        assert told[4:] == ["  two"]


def test_a_write_of_a_view_to_it_is_in_the_servers_log(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ["wsgi.errors"].write("Exception on /\nRuntimeError: as told\n")
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return []

    lines = written(configure_logging)
    server = serve(extra={"application": app})
    (answer,) = exchange(server, request("GET / HTTP/1.1", "Connection: close"))
    assert answer.status == 500
    told = lines()
    assert "  RuntimeError: as told" in told
    assert any("ERROR" in line and "Exception on /" in line for line in told)


FORGED = "2000-01-01 00:00:00,000 CRITICAL forged"
HOSTILE = f"x\n{FORGED}\r{FORGED}\u2028{FORGED}\x1b]0;title\x07\x9b31m\u202e"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


def no_forgery(text: str) -> None:
    """Check that the lines of a log have no forged record and no terminal command."""
    assert "forged" in text
    assert not UNSAFE.search(text)
    assert not any(line.startswith("2000") for line in text.split("\n"))


def raise_hostile() -> None:
    try:
        try:
            raise KeyError(HOSTILE)
        except KeyError as error:
            error.add_note(HOSTILE)
            raise ValueError(HOSTILE) from error
    except ValueError as error:
        get_logger("server").exception("it failed: %s", error, stack_info=True)


CONFIGURATIONS: dict[str, Callable[[], None]] = {
    "ours": configure_logging,
    "the application's": lambda: logging.basicConfig(
        force=True, format="%(asctime)s %(levelname)s %(message)s"
    ),
}


@pytest.mark.parametrize("whose", CONFIGURATIONS)
@pytest.mark.parametrize("how", ["message", "exception", "errors", "other logger"])
def test_each_part_of_a_record_is_escaped(
    how: str, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    LOGGER.handlers, LOGGER.propagate = [], True
    lines = written(CONFIGURATIONS[whose])
    if how == "message":
        get_logger("server").warning("%s, %s", HOSTILE, ValueError(HOSTILE))
    elif how == "exception":
        raise_hostile()
    elif how == "errors":
        ErrorStream(get_logger("server")).write(f"one {HOSTILE}\n  two {HOSTILE}")
    elif whose == "ours":
        LOGGER.getChild("a.users.own").error("%s", HOSTILE, exc_info=ValueError(HOSTILE))
    else:
        return
    no_forgery("\n".join(lines()))


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_unread_log_blocks_no_writer_and_says_how_many_lines_it_lost(form: str) -> None:
    pipe = Pipe()
    with redirect_stderr(pipe.stream):
        configure_logging("info", form)
    for number in range(3000):
        LOGGER.warning("line %d %s", number, "x" * 1000)
    told = pipe.read_until("dropped")
    LOGGER.warning("the last")
    told += pipe.read_until("the last")
    pipe.close()
    kept = [line for line in told if " " + "x" * 1000 in line]
    (dropped,) = [line for line in told if "log lines dropped" in line]
    if form == "json":
        dropped = json.loads(dropped)["message"]
    found = re.search(r"(\d+) log lines dropped", dropped)
    assert found is not None
    assert len(kept) + int(found[1]) == 3000


def test_a_handler_of_the_programs_own_takes_over_from_the_stopgap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    LOGGER.handlers, LOGGER.propagate = [], True
    lines = written(configure_if_silent, "info", "text")
    LOGGER.warning("before")
    theirs = StringIO()
    root.addHandler(logging.StreamHandler(theirs))
    LOGGER.warning("after")
    assert [line.rsplit(" ", 1)[1] for line in lines()] == ["before"]
    assert theirs.getvalue() == "after\n"


def test_an_exception_of_an_application_is_logged_on_lines_of_its_own(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        raise ValueError(HOSTILE)

    lines = written(configure_logging)
    server = serve(extra={"application": app})
    (answer,) = exchange(server, request("GET /there HTTP/1.1", "Connection: close"))
    assert answer.status == 500
    told = "\n".join(lines())
    assert "ERROR   the application failed: GET /there" in told
    no_forgery(told)
