"""What a server is composed of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError, FwsError
from fws_gevent.filters.base import WebSocketGapFilter, WebSocketMessageFilter
from fws_gevent.logs.loggers import Repeats, get_logger
from fws_gevent.settings import Settings
from fws_gevent.startup import composition
from fws_gevent.startup.composition import (
    APP_LOAD_ERROR,
    RIGHT_COMMAND,
    cannot_upgrade,
    import_filters,
    importable_from_here,
    is_loopback,
    one_line_under_gunicorn,
    only_websockets,
    policy_of,
    storage_of,
    told_of_gaps,
    under_gunicorn,
    warn_of_many_workers,
    warn_of_unused_tls,
)
from fws_gevent.storage.memory import MemoryStorageObject

Answer = tuple[str, dict[str, str], bytes]


def call(application: Any, **environ: str) -> Answer:
    """What a WSGI application answers."""
    started: list[Any] = []
    body = b"".join(application(environ, lambda *given: started.append(given)))
    ((status, headers),) = started
    return status, {name.lower(): value for name, value in headers}, body


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged as an error."""
    lines: list[str] = []
    monkeypatch.setattr(composition._log, "error", lambda text, *of: lines.append(text % of))
    return lines


@pytest.fixture
def _path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder to be in, which modules are not found in yet."""
    known = set(sys.modules)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", ".")])
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_plain_http_is_told_that_this_is_for_websockets(log: list[str]) -> None:
    status, headers, body = call(only_websockets)
    assert status == "426 Upgrade Required"
    assert headers["upgrade"] == "websocket"
    assert headers["sec-websocket-version"] == "13"
    assert headers["content-length"] == str(len(body))
    assert b"WebSocket server" in body
    assert log == []


@pytest.mark.parametrize("software", ["Werkzeug/3.1.3", None])
def test_a_server_that_can_not_upgrade_says_what_can(software: str | None, log: list[str]) -> None:
    environ = {} if software is None else {"SERVER_SOFTWARE": software}
    status, headers, body = call(
        partial(cannot_upgrade, told=Repeats(get_logger("server"))), **environ
    )
    assert status == "426 Upgrade Required"
    assert headers["upgrade"] == "websocket"
    assert headers["content-length"] == str(len(body))
    (line,) = log
    for told in (line, body.decode()):
        assert RIGHT_COMMAND in told
        assert (software or "unknown") in told


@pytest.mark.usefixtures("_path", "chains")
def test_filters_of_the_current_folder_are_found_and_join_in_order(tmp_path: Path) -> None:
    source = """\
from fws_gevent.filters.base import WebSocketMessageFilter
class {}(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance): pass
"""
    for name in ("First", "Second"):
        (tmp_path / f"a_{name.lower()}.py").write_text(source.format(name))
    import_filters(["a_second", "a_first", "a_second"])
    assert [each.__name__ for each in WebSocketMessageFilter.filters] == ["Second", "First"]


@pytest.mark.usefixtures("_path")
def test_the_current_folder_is_added_once(tmp_path: Path) -> None:
    importable_from_here()
    importable_from_here()
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "ModuleNotFoundError: No module named 'a_module'"),
        ("1 +", "SyntaxError: "),
        ("raise RuntimeError('first\\n second')", "RuntimeError: first second"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_a_filter_module_that_can_not_be_imported_is_told_in_one_line(
    source: str | None, says: str, tmp_path: Path
) -> None:
    if source is not None:
        (tmp_path / "a_module.py").write_text(source)
    with pytest.raises(ConfigurationError) as told:
        import_filters(["a_module"])
    assert str(told.value).startswith("can't import filter module a_module: ")
    assert says in str(told.value)
    assert "\n" not in str(told.value)
    assert told.value.__cause__ is not None


def test_the_storage_is_the_one_given_or_the_redis_of_the_settings() -> None:
    assert storage_of(Settings(), None) is None
    given = MemoryStorageObject()
    assert storage_of(Settings(redis_host="localhost"), given) is given
    by_url = storage_of(Settings(redis_url="redis://:secret@localhost/1", redis_key="mine"), None)
    assert str(by_url) == "Redis at localhost:6379, keys mine:…"
    by_host = storage_of(Settings(redis_host="localhost", redis_port=7), None)
    assert str(by_host) == "Redis at localhost:7, keys fws:…"


def test_a_wrong_url_of_redis_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigurationError, match="redis://") as told:
        storage_of(Settings(redis_url="http://:secret@localhost"), None)
    assert "secret" not in str(told.value)


def test_where_there_are_other_nodes_a_filter_tells_of_gaps(chains: None) -> None:
    class Message(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            pass

    class Gap(WebSocketGapFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            pass

    shared = storage_of(Settings(redis_host="localhost"), None)
    told = told_of_gaps(shared, [Message])
    assert told is not None
    assert [each.__name__ for each in told] == ["Message", "NotifyGapFilter"]
    assert told_of_gaps(shared, [Message, Gap]) == [Message, Gap]
    assert told_of_gaps(MemoryStorageObject(), [Message]) == [Message]
    assert told_of_gaps(None, None) is None


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ((), ("fws",)),
        (("chat",), ("chat", "fws")),
        (("fws", "chat"), ("fws", "chat")),
        (("chat", "fws", "chat"), ("chat", "fws")),
    ],
)
def test_fws_is_a_known_subprotocol_after_the_servers_own(
    given: tuple[str, ...], known: tuple[str, ...]
) -> None:
    assert policy_of(Settings(subprotocols=given)).subprotocols == known


def test_a_policy_is_what_the_settings_say() -> None:
    settings = Settings(allowed_origins=("https://a.example",), deflate="off")
    policy = policy_of(settings)
    assert (policy.allowed_origins, policy.deflate) == (("https://a.example",), False)
    assert policy_of(Settings()).deflate


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("127.0.0.1", True), ("127.255.0.9", True), ("::1", True), ("localhost", True),
        ("unix:/run/fws.sock", True), ("0.0.0.0", False), ("::", False), ("", False),
        ("10.0.0.1", False), ("localhost.example", False), ("example.org", False),
        ("::ffff:127.0.0.1", True), ("::ffff:10.0.0.1", False), ("127.0.0.1:80", False),
    ],
)  # fmt: skip
def test_loopback_is_where_only_this_machine_comes_in(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


@pytest.mark.parametrize(
    ("files", "scheme", "said"),
    [
        ({"key": "k", "cert": "c"}, "http", True),
        ({"key": "k", "cert": "c"}, "https", False),
        ({}, "http", False),
    ],
)
def test_tls_files_that_gunicorn_knows_nothing_of_are_warned_of_loudly(
    files: dict[str, str], scheme: str, said: bool, log: list[str]
) -> None:
    warn_of_unused_tls(Settings(**files), scheme)  # type: ignore[arg-type]
    assert [line[:7] for line in log] == (["NO TLS:"] if said else [])


def test_several_workers_are_warned_of_loudly(log: list[str]) -> None:
    warn_of_many_workers()
    assert "SEVERAL WORKERS" in log[0]


@pytest.mark.parametrize(
    ("software", "yes"), [("gunicorn/27.0", True), ("gevent/1.0", False), ("", False)]
)
def test_gunicorn_says_so_in_the_environment(
    software: str, yes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    assert under_gunicorn() is yes


def test_under_gunicorn_a_wrong_setting_ends_the_worker_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/27.0")
    with pytest.raises(SystemExit) as ended, one_line_under_gunicorn():
        raise ConfigurationError("what is wrong")
    assert ended.value.code == APP_LOAD_ERROR == 4
    assert capfd.readouterr() == ("", "fws_gevent: error: what is wrong\n")


@pytest.mark.parametrize(
    ("software", "error"),
    [("", ConfigurationError("x")), ("gunicorn/27.0", FwsError("x")), ("gunicorn/27.0", OSError())],
)
def test_any_other_error_is_raised_as_it_is(
    software: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    with pytest.raises(type(error)) as raised, one_line_under_gunicorn():
        raise error
    assert raised.value is error
