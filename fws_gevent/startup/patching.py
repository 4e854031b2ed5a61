"""gevent's patches of the standard library: filters that wait need them, and so does Redis."""

from __future__ import annotations

import warnings

from gevent import monkey

from ..errors import ConfigurationError
from ..logs.loggers import get_logger

_log = get_logger("server")

_REMEDY = "begin the program with: from gevent import monkey; monkey.patch_all()"


def is_patched() -> bool:
    """Return whether gevent has patched the modules by which code waits."""
    return monkey.is_module_patched("socket") and monkey.is_module_patched("time")


def check_patched(*, shared: bool) -> None:
    """Log a warning if a filter that waits would stop the server.

    Raises ConfigurationError if the server has a `shared` storage, whose connections always wait.
    """
    if is_patched():
        return
    if shared:
        raise ConfigurationError(f"Redis needs the patches of gevent: {_REMEDY}")
    _log.warning(
        "gevent has not patched socket and time: a filter that waits would stop the server; %s",
        _REMEDY,
    )


def patch_late() -> None:
    """Patch the standard library unless it is patched, in a program that imports no gevent.

    gevent warns of modules that took names from ssl before, which stay as they are: those of
    redis-py and PyJWT are not used here.
    """
    if is_patched():
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
        monkey.patch_all()
