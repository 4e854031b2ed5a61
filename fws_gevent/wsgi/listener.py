"""Listening: sockets, socket files, a TLS identity."""

from __future__ import annotations

import os
import socket as sockets
import ssl
from pathlib import Path
from typing import Any

import gevent.socket
import gevent.ssl

from ..errors import ConfigurationError
from ..settings import Settings

BACKLOG = 4096
"""Connections that the kernel may hold until they are accepted."""


FIRST = 3
"""The descriptor that a socket is passed as (sd_listen_fds(3))."""


def inherited_listener() -> Any:
    """Return the listening socket that systemd, or this program before a restart, passed.

    Return None without one. Raises ConfigurationError.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = os.environ.pop("LISTEN_FDS", "")
    del os.environ["LISTEN_PID"]
    if count != "1":
        raise ConfigurationError(f"LISTEN_FDS is {count!r}: this server listens on one socket")
    try:
        os.set_inheritable(FIRST, False)
        listener = gevent.socket.socket(fileno=FIRST)
    except OSError as error:
        raise ConfigurationError(f"LISTEN_FDS: no socket was passed: {error.strerror}") from None
    if not listener.getsockopt(sockets.SOL_SOCKET, sockets.SO_ACCEPTCONN):
        raise ConfigurationError("LISTEN_FDS: the socket that was passed doesn't listen")
    listener.setblocking(False)
    return listener


def pass_on(descriptor: int) -> None:
    """Pass a listening socket on to the program that this process becomes."""
    os.dup2(descriptor, FIRST)
    os.set_inheritable(FIRST, True)  # dup2 does nothing if it is in its place already
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")


def host_of(listener: Any) -> str:
    """Return the address that a socket listens on; for a socket file, "unix:" and its path."""
    address = listener.getsockname()
    return str(address[0]) if isinstance(address, tuple) else f"unix:{address}"


def tls_context(key: str, cert: str) -> ssl.SSLContext:
    """Return a context of TLS 1.2 or newer, with a private key and a certificate (PEM files).

    Raises ConfigurationError.
    """
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for flag, path in (("-key", key), ("-cert", cert)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"can't read {flag} {path}: {error.strerror}") from None
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConfigurationError(
            f"-cert {cert} and -key {key} don't make a TLS identity: {reason}"
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def tcp_listener(address: Any, backlog: int, family: Any) -> Any:
    """Return a listening TCP socket. Raises OSError, and leaves no socket open then."""
    listener = gevent.socket.socket(family, sockets.SOCK_STREAM)
    try:
        listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.listen(backlog)
    listener.setblocking(False)
    return listener


def check_listening(settings: Settings) -> None:
    """Raise ConfigurationError if a server can't listen as the settings say; don't listen.

    The TLS identity is read, the host is looked up, and the folder of a socket file is checked. The
    port may be in use: a server that reloads has it.
    """
    if settings.key is not None and settings.cert is not None:
        tls_context(settings.key, settings.cert)
    if settings.socket_path is not None:
        _check_socket_file(Path(settings.socket_path))
        return
    family = sockets.AF_INET6 if ":" in settings.host else sockets.AF_INET  # as in gevent
    with gevent.socket.socket(family, sockets.SOCK_STREAM) as probe:
        try:
            probe.bind((settings.host, 0))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(f"can't listen on {settings.host}: {reason}") from None


def _check_socket_file(path: Path) -> None:
    folder = path.parent
    reason = None
    if not folder.is_dir():
        reason = f"{folder} is not a folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        reason = f"no file can be made in {folder}"
    elif path.exists() and not path.is_socket():
        reason = "it is there, and is not a socket"
    if reason is not None:
        raise ConfigurationError(f"can't listen on unix:{path}: {reason}")


def unix_listener(path: str) -> Any:
    """Return a listening socket file, in place of one that a dead server left.

    Raises ConfigurationError.
    """
    listener = gevent.socket.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        if _is_dead(path):
            Path(path).unlink()
        listener.bind(path)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise ConfigurationError(f"can't listen on unix:{path}: {reason}") from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _is_dead(path: str) -> bool:
    """Return whether `path` is a socket file without a listener."""
    probe = gevent.socket.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        return Path(path).is_socket()
    except OSError:
        return False
    finally:
        probe.close()
    return False
