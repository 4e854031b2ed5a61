"""The project's loggers: escaping, configuration by the application, and repeated lines."""

from __future__ import annotations

import ast
import logging
import logging.config
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fws_gevent.logs.loggers import Log, Repeats, get_logger, indented, printable

from ..clients import ROOT
from ..clocks import ManualClock

PACKAGE = ROOT / "fws_gevent"
MONITORING = ROOT / "docs" / "monitoring.md"
LOGGER = re.compile(r'get_logger\("(\w+)"\)')

CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
    "handlers": {},
    "root": {"level": "INFO", "handlers": []},
}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """A logger; afterwards all loggers have their former level, handlers and state."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    made = get_logger("tests")
    loggers = [
        each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)
    ]
    disabled = [each.disabled for each in loggers]
    yield made
    level, root.handlers[:] = before
    root.setLevel(level)
    for each, was in zip(loggers, disabled, strict=True):
        each.disabled = was


@pytest.mark.parametrize("text", ["", "plain text", "grüße 🎉", "C:\\path", "日本"])
def test_text_that_is_harmless_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\nb", "a\\x0ab"),
        ("\r\t\0", "\\x0d\\x09\\x00"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b\x85\x7f", "\\x9b\\x85\\x7f"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\ud800", "\\ud800"),
    ],
)
def test_line_ends_and_terminal_commands_are_escaped(text: str, escaped: str) -> None:
    assert printable(text) == escaped


def test_the_lines_of_a_traceback_can_not_pass_for_records() -> None:
    assert indented("Traceback:\n  File\r\n2000 forged") == (
        "  Traceback:\n    File\\x0d\n  2000 forged"
    )


@pytest.mark.parametrize("disable", [None, True])
def test_a_configuration_of_the_application_disables_no_logger(
    disable: bool | None, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    more = {} if disable is None else {"disable_existing_loggers": disable}
    logging.config.dictConfig({**CONFIGURATION, **more})
    logging.getLogger().addHandler(caplog.handler)
    assert log.logger.disabled
    log.info("still %s", "here")
    assert caplog.messages[-1] == "still here"


def test_a_level_of_the_applications_counts(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.logger.setLevel(logging.ERROR)
    log.warning("not told")
    log.error("told")
    log.logger.setLevel(logging.NOTSET)
    assert caplog.messages == ["told"]


def test_texts_and_errors_are_escaped_and_other_values_stay(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError("b\n")
    log.warning("%s %r %s %d %s", "a\n", "a\n", error, 5, [1], extra={"field": "c\n"})
    (record,) = caplog.records
    assert record.getMessage() == "a\\x0a 'a\\n' b\\x0a 5 [1]"
    assert record.__dict__["field"] == "c\n"
    assert record.filename == "test_loggers.py"


def test_a_logger_is_made_safe_once(log: Log) -> None:
    assert get_logger("tests").logger is log.logger
    assert len(log.logger.filters) == 1


def test_every_logger_of_the_package_is_one_of_these() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "logs":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Attribute) and called.attr == "getLogger"), path


def test_the_docs_have_a_row_for_each_logger() -> None:
    # The last one is that of the lines about dropped lines, which no call of get_logger makes.
    used = {"fws_gevent.logs"}
    for path in PACKAGE.rglob("*.py"):
        used |= {f"fws_gevent.{name}" for name in LOGGER.findall(path.read_text("utf-8"))}
    rows = re.findall(r"(?m)^\| `(fws_gevent\.\w+)` \|", MONITORING.read_text("utf-8"))
    assert sorted(used) == sorted(rows)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_the_first_lines_are_due_and_later_their_number_is_told(
    log: Log, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    repeats = Repeats(log, most=3, seconds=60, clock=clock)
    assert [repeats.due() for _ in range(10)] == [True] * 3 + [False] * 7
    clock.advance(59.9)
    assert not repeats.due()
    assert caplog.messages == []
    clock.advance(0.1)
    assert repeats.due()
    assert caplog.messages == ["8 lines like the next one were left out"]
    clock.advance(60)
    assert repeats.due()
    assert len(caplog.messages) == 1


def test_each_key_counts_for_itself_and_so_many_are_kept(log: Log, clock: ManualClock) -> None:
    repeats = Repeats(log, most=1, clock=clock)
    assert [repeats.due("a"), repeats.due("b"), repeats.due("a")] == [True, True, False]
    for number in range(Repeats.MAX_KEYS):
        assert repeats.due(number)
    assert len(repeats._seen) == Repeats.MAX_KEYS
    assert repeats.due("a")  # forgotten meanwhile


class Broken(logging.Handler):
    """A handler that raises, which `logging` does not catch."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the handler is broken")


def test_an_error_of_a_handler_is_caught_and_printed_once(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = Broken()
    log.logger.addHandler(handler)
    try:
        for _ in range(3):
            log.error("a line of %s", "ours")
        log.handle(log.logger.makeRecord("tests", logging.ERROR, "file", 1, "made", (), None))
    finally:
        log.logger.removeHandler(handler)
    assert capsys.readouterr().err.count("RuntimeError: the handler is broken") == 1


def test_a_record_names_the_code_that_logged_it(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.error("here")
    assert caplog.records[-1].pathname == __file__
    assert caplog.records[-1].funcName == "test_a_record_names_the_code_that_logged_it"
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("here too")
    assert caplog.records[-1].pathname == __file__
    assert "ValueError: why" in (caplog.records[-1].exc_text or "")


@pytest.mark.parametrize("place", ["%s", "%r"])
def test_the_text_of_an_object_is_escaped(
    place: str, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    class Room:
        def __repr__(self) -> str:
            return "Room\nERROR forged"

    line = f"subscriber {place} failed after %d and %.1f"
    log.error(line, Room(), 3, 0.5)
    assert caplog.messages[-1] == "subscriber Room\\x0aERROR forged failed after 3 and 0.5"
