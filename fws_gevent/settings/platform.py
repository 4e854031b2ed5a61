"""Variables of a platform that begin with FWS_ and are not settings."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Kubernetes sets variables in each pod for each service, which may be called fws or fws-redis.
# Docker set the same ones in a container for those that it was linked to.
_SERVICE = re.compile(
    r"FWS_(?:[A-Z0-9_]+_)?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR|START|END|PORT_START|PORT_END))?)"
)
_PORT = re.compile(r"FWS_(?:[A-Z0-9_]+_)?PORT")
_PORT_URL = re.compile(r"(?:tcp|udp|sctp)://.*")
_LINK = re.compile(r"(?P<alias>FWS(?:_[A-Z0-9_]+)?)_(?:NAME|ENV_.*)")
_LINKED = re.compile(r"/[^/]+/[^/]+")


def is_of_platform(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether Kubernetes, or a link of Docker, set the variable `name` for a service.

    It set FWS_PORT if the value is a URL such as tcp://10.0.0.1:9000.
    """
    if _SERVICE.fullmatch(name):
        return True
    if _PORT.fullmatch(name):
        return _PORT_URL.fullmatch(environ[name]) is not None
    link = _LINK.fullmatch(name)
    return link is not None and bool(_LINKED.fullmatch(environ.get(f"{link['alias']}_NAME", "")))
