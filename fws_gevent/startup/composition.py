"""What a server is composed of: filter modules, a storage, an application for plain HTTP."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, HandshakeRefused
from ..filters.base import FilterBase, WebSocketGapFilter
from ..logs.loggers import Repeats, get_logger
from ..protocol.addresses import parse_address
from ..protocol.credentials import SUBPROTOCOL
from ..protocol.handshake import UPGRADE_REQUIRED, Policy, upgrade_headers, wrong_method
from ..settings import Settings
from ..storage.base import BaseStorageObject
from ..upgrade.context import WORKERS, NoSuchPath
from ..upgrade.environ import asks_for_websocket

_log = get_logger("server")

APP_LOAD_ERROR = 4
"""The exit status by which a gunicorn worker says that it will never serve this application."""

RIGHT_COMMAND = "run `flask fws run`, or gunicorn -k fws_gevent.worker.FilteredWebSocketWorker"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""

DEFAULT_FILTERS = (
    "fws_gevent.filters.broadcast_message_filter",
    "fws_gevent.filters.stdout_messages",
)
"""What a server does that is told nothing else."""


def only_websockets(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application for plain HTTP where there is no other: 426, and why.

    A request for a WebSocket comes here if its path has none: 404.
    """
    if asks_for_websocket(environ):
        return refuse(NoSuchPath(), start_response)
    return _upgrade_required(
        "This is a WebSocket server: connect with ws:// or wss://.", start_response
    )


def cannot_upgrade(
    environ: dict[str, Any], start_response: Callable[..., Any], told: Repeats
) -> Iterable[bytes]:
    """Answer a WebSocket request to a server that can't make one of it: 426, and what can.

    A request that no server would make one of is refused with 405.
    """
    method = environ.get("REQUEST_METHOD", "GET")
    if method != "GET":
        return refuse(wrong_method(method), start_response)
    why = f"This server ({environ.get('SERVER_SOFTWARE', 'unknown')}) can't open WebSockets"
    if told.due():
        _log.error("%s: %s", why, RIGHT_COMMAND)
    return _upgrade_required(f"{why}: {RIGHT_COMMAND}.", start_response)


def _upgrade_required(why: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    return refuse(HandshakeRefused(UPGRADE_REQUIRED, why, upgrade_headers()), start_response)


def refuse(refused: HandshakeRefused, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer that a request doesn't become a WebSocket, and why."""
    headers, body = refusal(refused)
    start_response(refused.status, headers)
    return [body]


def refusal(refused: HandshakeRefused) -> tuple[list[tuple[str, str]], bytes]:
    """The headers and the body of that answer."""
    body = f"{refused}\n".encode()
    headers = [
        *refused.headers,
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
    ]
    return headers, body


def importable_from_here() -> None:
    """Have modules found in the current folder, as python -m does."""
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)


def import_filters(names: Iterable[str]) -> None:
    """Import modules of filters, also from the current folder. Raises ConfigurationError."""
    importable_from_here()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigurationError(f"can't import filter module {name}: {what}") from error


def storage_of(
    settings: Settings, storage_object: BaseStorageObject | None
) -> BaseStorageObject | None:
    """The storage object that was given, or that of the Redis in the settings; None for neither.

    Raises ConfigurationError.
    """
    if storage_object is not None:
        return storage_object
    if settings.redis_url is None and settings.redis_host is None:
        return None
    # Only here: it brings redis-py along, a quarter of the time that a start takes.
    from ..storage.redis import RedisStorageObject

    if settings.redis_url is not None:
        try:
            return RedisStorageObject.from_url(settings.redis_url, settings.redis_key)
        except ConfigurationError as error:
            raise ConfigurationError(f"redis_url: {error}") from None
    assert settings.redis_host is not None
    return RedisStorageObject(settings.redis_host, settings.redis_port, settings.redis_key)


def told_of_gaps(
    storage_object: BaseStorageObject | None, filters: Sequence[type[FilterBase]] | None
) -> Sequence[type[FilterBase]] | None:
    """The filters with `notify_gap` among them, if there are other nodes and no filter of gaps."""
    if storage_object is None or not storage_object.shared:
        return filters
    if filters is None:
        if not WebSocketGapFilter.filters:
            importlib.import_module("fws_gevent.filters.notify_gap")
        return None
    if any(issubclass(each, WebSocketGapFilter) for each in filters):
        return filters
    module = importlib.import_module("fws_gevent.filters.notify_gap")
    return (*filters, module.NotifyGapFilter)


def policy_of(settings: Settings) -> Policy:
    """What upgrade requests are granted."""
    known = tuple(dict.fromkeys((*settings.subprotocols, SUBPROTOCOL)))
    return Policy(settings.allowed_origins, known, settings.deflate == "on")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    if host == "localhost" or host.startswith("unix:"):
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def under_gunicorn() -> bool:
    """Return whether gunicorn loads us: it says so in the environment of its workers."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/")


def workers_of_gunicorn() -> int:
    """Return how many workers gunicorn has, as far as that is known before the first request.

    Our worker puts it where gunicorn itself looks for its default.
    """
    said = os.environ.get(WORKERS, "")
    return int(said) if under_gunicorn() and said.isdecimal() else 0


def warn_of_many_workers() -> None:
    """Say loudly what several processes without shared storage do to broadcasts."""
    _log.error(
        "SEVERAL WORKERS, STORAGE IN MEMORY: each worker has its own connections, groups and "
        "storage, so a broadcast reaches only the clients of one worker. Run one worker "
        "(gunicorn -w 1), or give them a Redis (FWS_REDIS_URL)."
    )


def warn_of_unused_tls(settings: Settings, scheme: str) -> None:
    """Say that gunicorn, which serves requests of this scheme, knows nothing of our TLS files."""
    if settings.cert is not None and scheme != "https":
        _log.error(
            "NO TLS: FWS_KEY and FWS_CERT are for fws_server; under gunicorn TLS is "
            "--keyfile and --certfile"
        )


@contextmanager
def one_line_under_gunicorn() -> Iterator[None]:
    """Under gunicorn, end the worker in an orderly way for a wrong setting, with one line."""
    try:
        yield
    except ConfigurationError as error:
        if not under_gunicorn():
            raise
        print(f"fws_gevent: error: {error}", file=sys.stderr, flush=True)
        raise SystemExit(APP_LOAD_ERROR) from None
