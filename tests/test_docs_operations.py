"""The pages for operators agree with the code and with real processes.

These are docs/operations.md, monitoring.md, limits.md and settings.md.
"""

from __future__ import annotations

import ast
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import KNOWN_SETTINGS  # type: ignore[import-untyped]  # it has no types

from fws_gevent import worker as our_worker
from fws_gevent.cli import reload
from fws_gevent.connection import timeouts
from fws_gevent.filters import chain
from fws_gevent.node import consumer, descriptors, events, largest_groups, shutdown, statistics
from fws_gevent.settings import default_of, table
from fws_gevent.tokens.decoding import MAX_TOKEN
from fws_gevent.tokens.store import MemoryTokenStore
from fws_gevent.web import identity, live
from fws_gevent.web.metrics import Metrics
from fws_gevent.workers import ending as worker_end
from fws_gevent.wsgi import listener
from tests.clients import ROOT, frame
from tests.conftest import Connect, Serve, Start
from tests.gunicorns import WORKER
from tests.test_docs_redis import quoted, run
from tests.test_readme import blocks
from tests.waiting import until

DOCS = ROOT / "docs"
OPERATIONS = "".join(
    (DOCS / name).read_text("utf-8") for name in ("operations.md", "monitoring.md", "limits.md")
)
SETTINGS = (DOCS / "settings.md").read_text("utf-8")
PACKAGE = ROOT / "fws_gevent"
SOURCES = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "cluster"]
SOURCE = "".join(path.read_text("utf-8") for path in SOURCES)


def cells(text: str) -> Iterator[list[str]]:
    """Yield the rows of all tables of a text, without their heads."""
    for body in re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
        for line in body.splitlines():
            row = re.split(r"\s*(?<!\\)\|\s*", line)
            assert row[0] == row[-1] == "", line
            yield row[1:-1]


def section(heading: str, text: str = OPERATIONS) -> str:
    """Return the text under a heading, with its subsections."""
    marks = re.findall(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert len(marks) == 1, heading
    after = re.split(rf"^{marks[0]} {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    return re.split(rf"^#{{1,{len(marks[0])}}} ", after, flags=re.MULTILINE)[0]


def shown(default: Any) -> str:
    """Return a default as the pages write it."""
    if isinstance(default, tuple):
        return ", ".join(default) or "none"
    return f"{default:.12g}" if isinstance(default, float) else str(default).replace("None", "none")


def block(language: str, part: str) -> str:
    """Return the only code block in a language that contains `part`."""
    [found] = [each for each in blocks(language, OPERATIONS) if part in each]
    return found


def test_every_setting_is_in_the_table_with_its_flags_and_default() -> None:
    wanted = {}
    for each in table():
        flags = each.metadata["flags"] or (f"--{each.name}",)
        named = ", ".join(f"`{flag}`" for flag in flags) if each.metadata["flag"] else "no flag"
        wanted[f"`FWS_{each.name.upper()}`"] = (named, shown(default_of(each)))
    rows = list(cells(SETTINGS))
    assert {name: (flags, default) for flags, name, default, meaning in rows if meaning} == wanted
    assert len(rows) == len(wanted)


def test_every_limit_has_its_default_and_its_effect() -> None:
    defaults = {row[1]: row[2] for row in cells(SETTINGS)}
    told = {row[0]: row for row in cells(section("Limits and tuning")) if "FWS_" in row[0]}
    assert {name: row[1] for name, row in told.items()}.items() <= defaults.items()
    assert all(len(row) == 4 for row in told.values())
    limits = {row[1] for part in ("Limits", "Times") for row in cells(section(part, SETTINGS))}
    assert limits | {"`FWS_MAX_RUNNERS`", "`FWS_TOKEN_RATE`"} <= set(told)


def test_the_flags_of_gunicorn_have_their_defaults() -> None:
    known = {flag: each.default for each in KNOWN_SETTINGS for flag in each.cli or ()}
    for flag, default, _ in cells(section("gunicorn's own, for our worker")):
        real = known[flag.strip("`")]
        assert default == ("off" if real is False else str(real)), flag


def test_the_numbers_are_those_of_the_code() -> None:
    text = " ".join(OPERATIONS.split())
    hard, worker = timeouts.HARD_QUEUE, our_worker
    for figure in (
        f"reaches {hard} times", f"{hard} MiB at most",
        f"{descriptors.RESERVED} descriptors are reserved",
        f"The backlog is {listener.BACKLOG}", f"asks for {listener.BACKLOG}",
        f"`--check`, for {reload.CHECK_TIME:g} s at most", f"one event in {chain.SAMPLED}",
        f"the last {chain.KEPT} of these", f"and the {largest_groups.LARGEST} largest",
        f"measured over {statistics.STEP:g} s", f"{shutdown.CLOSES_PER_SECOND} a second if",
        f"The queue of the consumer chain holds {consumer.QUEUE_SIZE:,} events",
        f"{MAX_TOKEN} characters",
        f"{live.MAX_WATCHERS} can watch at once", f"{identity.LONGEST_BODY >> 10} KiB. The backlog",
        f"{100 * worker_end._CLOSING:g} % of it for Closes, {100 * worker_end._ENDING:g} % for ev",
        f"accepts it in {worker._QUICK:g} s", f"holds {MemoryTokenStore()._limit:,} tickets",
    ):  # fmt: skip
        assert figure in text, figure
    assert statistics.STEP * statistics.KEPT == 300  # "the last five minutes"


def log_calls(*loggers: str) -> Iterator[ast.Call]:
    """Yield the calls that write to a logger at info and above."""
    levels = ("info", "warning", "error", "exception", "critical")
    for path in SOURCES:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and isinstance(call.func.value, ast.Name)
                and call.func.value.id in loggers
                and call.func.attr in levels
            ):
                yield call


def line_of(call: ast.Call) -> str:
    """Return the line that a call logs, with … for its values."""
    line = re.sub(r"%(\.\d+)?[a-z]", "…", ast.literal_eval(call.args[0]))
    return "This server (…) can't open WebSockets: …" if line == "…: …" else line


def test_every_log_line_is_explained_with_its_level() -> None:
    rows = [row for row in cells(section("Log lines").split("\n### ")[0]) if len(row) == 3]
    told = {re.findall(r"^(`+) ?(.+?) ?\1$", row[0])[0][1]: row[1] for row in rows}
    assert len(told) == len(rows)
    for line, call in {line_of(call): call for call in log_calls("_log", "_filters_log")}.items():
        cut = [row for row in told if len(row) > 25 and line.startswith(row.removesuffix("…"))]
        matching = [line] if line in told else cut
        assert len(matching) == 1, (line, matching)
        assert isinstance(call.func, ast.Attribute)
        assert told.pop(matching[0]) == call.func.attr.replace("exception", "error")
    assert not told


def test_every_logger_is_in_the_table() -> None:
    named = {quoted(row[0])[0] for row in cells(section("Log lines")) if len(row) == 2}
    used = re.findall(r'get_logger\("(\w+)"\)', SOURCE)
    assert {f"fws_gevent.{name}" for name in used} <= named


def test_the_access_log_has_the_fields_that_the_page_names() -> None:
    said = {quoted(row[0])[0]: quoted(row[1]) for row in cells(section("The access log"))}
    real = {}
    for call in log_calls("_access"):
        extra = next(each.value for each in call.keywords if each.arg == "extra")
        assert isinstance(extra, ast.Dict)
        real[line_of(call).split()[0]] = [ast.literal_eval(key) for key in extra.keys if key]
    assert said == real


def test_the_reasons_of_closes_are_those_of_the_code() -> None:
    for _, reasons, _ in cells(section("Close codes in the log")):
        for reason in quoted(reasons):
            assert all(part in SOURCE for part in reason.split("…")), reason


def test_every_status_of_a_refusal_is_explained() -> None:
    refused = set(re.findall(r'"([45]\d\d) [A-Z][a-z]', SOURCE))
    told = set(re.findall(r"\b[45]\d\d\b", section("Refused connections")))
    assert {"400", "503"} <= refused <= told


def exposed() -> dict[str, tuple[str, ...]]:
    """Return the names of all metrics as Prometheus has them, and their labels except `app`."""
    made = Metrics("test")
    return {
        f"{each._name}{'_total' if name in made._counters else ''}": tuple(each._labelnames[1:])
        for name, each in {**made._counters, **made._gauges}.items()
    }


def test_every_metric_is_explained() -> None:
    rows = list(cells(section("Metrics")))
    assert sorted(name for row in rows for name in quoted(row[0])) == sorted(exposed())
    assert set(re.findall(r"\bfws_\w+", block("yaml", "alert"))) <= set(exposed())
    for row in rows:
        for name in quoted(row[0]):
            for label in set(exposed()[name]) - {"chain", "filter"}:
                assert f"`{label}`" in row[1], (name, label)
    assert ", ".join(name for name, *_ in events.BUSES) in section("Metrics")


def test_the_figures_of_the_status_page_are_explained() -> None:
    page = (PACKAGE / "web" / "templates" / "fws" / "status.html").read_text("utf-8")
    script = (PACKAGE / "web" / "static" / "status.js").read_text("utf-8")
    text = section("The status page")
    for figure in re.findall(r"<(?:dt|h3)>([A-Z][^<]+)<|<h2 id=[^>]*>([A-Z][^<]+?) ?<", page):
        name = "".join(figure)
        assert name in text or name in ("State", "Traffic", "Health"), name
    words = re.findall(r'return \["(?:good|warn|bad)", "(.+?)"', script)
    assert len(words) > 5
    assert all(f"**{each}**" in text for each in words)


def test_the_answers_of_health_checks_are_on_the_page() -> None:
    source = (PACKAGE / "web" / "health.py").read_text("utf-8")
    said = re.findall(r'_text\("(.+?)\\n"', source)
    assert len(said) == 4
    assert all(f"`{each}`" in section("Health") for each in said)


def test_the_first_look_works(serve: Serve, tmp_path: Path, start: Start) -> None:
    command = start("-m", "fws_gevent", "-p", "0", cwd=tmp_path)
    lines = [each for each in block("sh", "readyz").splitlines() if each.startswith("curl")]
    pasted = "\n".join(lines).replace(":9000", f":{command.port()}")
    assert re.match(r"ok\nready\nfws_", run(pasted, tmp_path, 0))


def test_the_reload_of_the_command_can_be_pasted(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"port": 0, "max_message_size": 5, "ping_interval": 0}')
    command = start("-m", "fws_gevent", "-c", "settings.json", cwd=tmp_path)
    pid = str(command.process.pid)
    client = connect(command.port())
    pasted = block("sh", "--check &&").replace("fws_server", f"{sys.executable} -m fws_gevent")
    file.write_text("{")
    assert "not JSON" in fails(pasted, tmp_path, PID=pid)
    file.write_text('{"port": 0, "max_message_size": 9}')
    run(pasted, tmp_path, 0, PID=pid, PYTHONPATH=str(ROOT))
    assert client.frame().close[0] == 1012
    client.close(1012)
    again = connect(command.port())
    again.send("x" * 10)
    assert again.frame().close == (1009, "message over 9 bytes")


def fails(text: str, folder: Path, **environ: str) -> str:
    """Run lines that must fail, and return their output."""
    with pytest.raises(AssertionError) as failed:
        run(text, folder, 0, PYTHONPATH=str(ROOT), **environ)
    return str(failed.value)


def test_the_check_prevents_a_reload_that_would_end_gunicorn(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    pasted, module = block("sh", "--check-config"), tmp_path / "wsgi.py"
    module.write_text("from fws_gevent.application import build_application as b\napp = b()\n")
    environ = {"HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    flags = ("-k", WORKER, "-b", "127.0.0.1:0", "wsgi:app")
    command = start("-m", "gunicorn", *flags, cwd=tmp_path, environ=environ)
    port = command.wait_for(r"Listening at: http://127\.0\.0\.1:(\d+) ")[1]
    command.wait_for("Booting worker")
    client = connect(int(port))
    module.write_text("syntax error")
    assert "SyntaxError" in fails(pasted, tmp_path, PID=str(command.process.pid))
    assert "Hang up" not in command.output
    command.signal(signal.SIGHUP)  # without the check, as the page warns
    assert client.frame().close[0] == 1001
    client.drop()
    assert command.wait() == 3
    assert "Reason: Worker failed to boot." in command.output


def test_pings_go_on_after_an_answer_that_came_late(serve: Serve, connect: Connect) -> None:
    node = serve(ping_interval=0.05, ping_timeout=1000.0)
    client = connect(node)
    assert client.frame() == (0x89, b"")
    asked = node.node.wheel.now
    until(lambda: node.node.wheel.now > asked + 3 * node.node.timeouts.ping_interval)
    client.raw(frame(10))
    assert client.frame() == (0x89, b"")


@pytest.mark.linux
def test_the_kernel_has_these_settings() -> None:
    names = set(re.findall(r"\b(?:fs|net\.(?:core|ipv4))\.[\w-]+", section("Kernel")))
    assert names >= set(re.findall(r"^([\w.]+) = ", block("ini", "somaxconn"), re.MULTILINE))
    missing = [each for each in names if not Path("/proc/sys", *each.split(".")).exists()]
    assert not missing or sys.platform != "linux"
