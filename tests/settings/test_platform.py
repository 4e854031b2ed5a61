"""Variables of a platform are left alone."""

from __future__ import annotations

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import by_name
from fws_gevent.settings.platform import is_of_platform
from fws_gevent.settings.sources import from_environment


def service(name: str, port: int, protocol: str = "tcp") -> dict[str, str]:
    """Return the variables that Kubernetes sets for a service with a named port."""
    one = f"{name}_PORT_{port}_{protocol.upper()}"
    return {
        f"{name}_SERVICE_HOST": "10.0.0.1",
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_SERVICE_PORT_WEB_1": str(port),
        f"{name}_PORT": f"{protocol}://10.0.0.1:{port}",
        one: f"{protocol}://10.0.0.1:{port}",
        f"{one}_PROTO": protocol,
        f"{one}_PORT": str(port),
        f"{one}_ADDR": "10.0.0.1",
    }


LINK = {
    "FWS_NAME": "/web/fws",
    "FWS_ENV_PATH": "/bin",
    "FWS_PORT": "tcp://172.17.0.5:9000",
    "FWS_PORT_9000_TCP": "tcp://172.17.0.5:9000",
    "FWS_PORT_9000_TCP_START": "tcp://172.17.0.5:9000",
    "FWS_PORT_9000_TCP_PORT_END": "9001",
}
"""The variables that Docker set for a link called fws."""


@pytest.mark.parametrize(
    "environ",
    [
        service("FWS", 9000),
        service("FWS", 53, "udp"),
        service("FWS_REDIS", 6379),
        service("FWS_MAX_QUEUE", 80, "sctp"),
        {**service("FWS", 80), **service("FWS_1", 80)},
        LINK,
    ],
)
def test_a_service_of_our_name_sets_nothing_of_ours(environ: dict[str, str]) -> None:
    assert from_environment(by_name(), environ) == {}
    assert from_environment(by_name(), {**environ, "FWS_GRACE": "1"}) == {"grace": 1.0}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FWS_PORT", "9000"),
        ("FWS_PORT", "tcp:9000"),
        ("FWS_REDIS_PORT", "6379"),
        ("FWS_HOST", "tcp://10.0.0.1:9000"),
        ("FWS_SERVICE", "1"),
        ("FWS_PORTS", "tcp://10.0.0.1:9000"),
        ("FWS_NAME", "chat"),
        ("FWS_ENV_PATH", "/bin"),
        ("fws_service_host", "10.0.0.1"),
    ],
)
def test_nothing_else_is_a_platforms(name: str, text: str) -> None:
    assert not is_of_platform(name, {name: text})


def test_a_port_that_is_wrong_is_still_refused() -> None:
    with pytest.raises(ConfigurationError, match="FWS_PORT in the environment must"):
        from_environment(by_name(), {"FWS_PORT": "http://10.0.0.1:9000"})
