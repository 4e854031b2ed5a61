"""The configurations of docs/deployment, in use."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.certificates import Identity
from tests.clients import PATIENCE, ROOT, Command, frame
from tests.conftest import Connect, Start
from tests.programs import path_of
from tests.waiting import free_port, until

FOLDER = ROOT / "docs" / "deployment"

needs_nginx = pytest.mark.needs("nginx")

APPLICATION = """
from flask import Flask, request

from fws_gevent import FilteredWebSocket
from fws_gevent.filters.base import WebSocketMessageFilter

app = Flask(__name__)
fws = FilteredWebSocket(app)


class Who(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send(web_socket_instance.remote_address[0])


@app.get("/")
def index():
    return f"{request.remote_addr} {request.host_url}"
"""


class Site:
    """An nginx with this configuration before our server."""

    def __init__(self, folder: Path, port: int, behind: Command) -> None:
        self.port = port
        self.behind = behind
        self.log = folder / "fws.log"
        self.context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        self.context.check_hostname = False

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and body of a page."""
        client = HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=self.context)
        client.request("GET", path, headers={"Host": f"app.example.com:{self.port}"})
        answer = client.getresponse()
        body = answer.read().decode()
        client.close()
        return answer.status, body


@pytest.fixture
def site(tmp_path: Path, identity: Identity, start: Start) -> Iterator[Site]:
    """Yield an nginx as in docs/deployment, with other ports, files and user."""
    (tmp_path / "app.py").write_text(APPLICATION)
    behind = start(
        *("-m", "fws_gevent", "--app", "app", "-p", "0", "--ping_interval", "0.3"),
        cwd=tmp_path,
        environ={"FWS_TRUSTED_PROXIES": "127.0.0.1"},
    )
    shutil.copy(identity.cert, tmp_path / "cert.pem")
    port = free_port()
    text = (FOLDER / "nginx.conf").read_text("utf-8")
    for ours, here in (
        ("127.0.0.1:9000", f"127.0.0.1:{behind.port()}"),
        ("443 ssl", f"127.0.0.1:{port} ssl"),
        ("/etc/ssl/app.example.com.pem", identity.cert),
        ("/etc/ssl/app.example.com.key", identity.key),
        ("/var/log/nginx/fws.log", str(tmp_path / "fws.log")),
        ("proxy_read_timeout 60s", "proxy_read_timeout 1s"),
    ):
        assert text.count(ours) == 1, ours
        text = text.replace(ours, here)
    (tmp_path / "site.conf").write_text(text)
    paths = "".join(
        f"{name}_temp_path {tmp_path / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path / 'pid'}; error_log {tmp_path / 'error.log'};\n"
        f"events {{}}\nhttp {{ {paths} include {tmp_path / 'site.conf'}; }}\n"
    )
    nginx = subprocess.Popen(
        [path_of("nginx"), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        made = Site(tmp_path, port, behind)
        _wait_until_it_listens(port)
        yield made
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(PATIENCE)


def _wait_until_it_listens(port: int) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        with socket.socket() as client:
            client.settimeout(0.05)
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
            client.settimeout(None)
    raise AssertionError("nginx doesn't listen")


@needs_nginx
def test_pages_know_the_client_and_the_scheme_behind_nginx(site: Site) -> None:
    status, body = site.get("/")
    assert (status, body) == (200, f"127.0.0.1 https://app.example.com:{site.port}/")


@needs_nginx
def test_a_websocket_of_the_sites_own_page_is_opened_and_kept_open(
    site: Site, connect: Connect
) -> None:
    origin = f"Origin: https://127.0.0.1:{site.port}"
    client = connect(site.port, "/ws?ticket=seen-by-nobody", headers=[origin], tls=True)
    for _ in range(8):  # in all longer than nginx waits for data, but each ping comes in time
        assert client.frame() == (0x89, b"")
        client.raw(frame(10))
    client.send("who am I?")
    assert client.receive() == "127.0.0.1"
    client.close()
    until(lambda: "/ws 101" in site.log.read_text())
    assert "seen-by-nobody" not in site.log.read_text()


@needs_nginx
def test_forwarded_headers_of_the_client_dont_reach_the_server(
    site: Site, connect: Connect
) -> None:
    client = connect(site.port, "/ws", headers=["X-Forwarded-For: 203.0.113.7"], tls=True)
    client.send("who am I?")
    assert client.receive() == "127.0.0.1"


@needs_nginx
def test_metrics_are_for_this_machine(site: Site) -> None:
    status, body = site.get("/fws/metrics")
    assert status == 200
    assert "fws_connections" in body


def test_gunicorn_accepts_the_command_of_the_unit(start: Start, tmp_path: Path) -> None:
    unit = (FOLDER / "fws.service").read_text("utf-8")
    line = next(each for each in unit.splitlines() if each.startswith("ExecStart="))
    _, _, arguments = line.partition("gunicorn ")
    (tmp_path / "wsgi.py").write_text(APPLICATION)
    key = json.dumps("k" * 40)
    command = start(
        *("-m", "gunicorn", "--check-config", *arguments.split()),
        cwd=tmp_path,
        environ={"FWS_SIGNING_KEY": key, "FWS_AUTH": "required"},
    )
    assert command.wait() == 0, command.output
