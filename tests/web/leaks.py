"""Requests with secrets that fail in every way, to a server in another process."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import jwt

from fws_gevent.tokens.store import digest
from tests.clients import Client, frame, upgrade
from tests.raw_http import open_socket, read_to_end

from .sites import FORM, Answer, ask, basic, bearer

KEY = "signing-key-LEAKS-0123456789abcdef"
PASSWORD = "admin-password-LEAKS"
CLIENT_SECRET = "client-secret-LEAKS"
WRONG = "wrong-secret-LEAKS"
CLIENTS = json.dumps({"billing": {"secret": f"sha256:{digest(CLIENT_SECRET)}"}})

APPLICATION = """
import logging
import os

from flask import Flask

from fws_gevent import FilteredWebSocket, TokenGrant
from fws_gevent.filters.base import WebSocketMessageFilter

if "ROOT_LOGS_ALL" in os.environ:
    logging.basicConfig(level="DEBUG")


class Fails:
    def __init__(self, inner):
        self.inner = inner

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/fails-in-the-middle":
            raise RuntimeError("as told")
        return self.inner(environ, start_response)


app = Flask("leaks")
app.wsgi_app = Fails(app.wsgi_app)
fws = FilteredWebSocket(app)


@fws.token_for_request
def who():
    return TokenGrant(subject="ada", groups=["room:*"], scope="status")


@app.get("/fails")
def fails():
    raise RuntimeError("as told")


class Obeys(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "fail":
            raise RuntimeError("as told")
        web_socket_instance.join("a group that is not granted")
"""


class Provoker:
    """The requests to one port; `secrets` collects the secrets in them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.secrets = {KEY, PASSWORD, CLIENT_SECRET, WRONG}
        self.expired = self._keep(jwt.encode(self._claims(-100), KEY, "HS256"))
        self.other = self._keep(jwt.encode(self._claims(60, sub="bob"), KEY, "HS256"))
        self.cookie = ""

    def _claims(self, seconds: int, sub: str = "ada") -> dict[str, object]:
        now = int(time.time())
        return {"iss": "fws", "aud": "fws", "sub": sub, "iat": now - 200, "exp": now + seconds,
                "jti": "name", "scope": "status"}  # fmt: skip

    def _keep(self, secret: str) -> str:
        self.secrets.add(secret)
        return secret

    def post(self, path: str, fields: object = (), **headers: str) -> Answer:
        body = urlencode(fields).encode()  # type: ignore[arg-type]
        return ask(self.port, "POST", f"/fws/{path}", body, {"Content-Type": FORM, **headers})

    def token(self) -> tuple[str, str]:
        """Return an access token and a refresh token."""
        found = self.post("token", {"offline": "1"}).json
        return self._keep(found["access_token"]), self._keep(found["refresh_token"])

    def ticket(self) -> str:
        return self._keep(self.post("ticket").json["ticket"])

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and read until the end."""
        with open_socket(self.port) as client:
            with contextlib.suppress(OSError):  # it may have hung up by then
                client.sendall(data)
                client.shutdown(1)
            return read_to_end(client)

    # Failures.

    def all(self) -> None:
        """Send all requests."""
        self.forms()
        self.pages()
        for request in self.bad_upgrades():
            self.raw(request)
        self.open_websockets()

    def forms(self) -> None:
        access, refresh = self.token()
        grant = {"grant_type": "client_credentials"}
        proof = {"client_id": "billing", "client_secret": CLIENT_SECRET}
        good = basic("billing", CLIENT_SECRET)
        assert self.post("token", grant, Authorization=good).status == 200
        assert self.post("token", {**grant, **proof}).status == 200
        assert self.post("token", {**grant, **proof}, Authorization=good).status == 400
        for secret in (WRONG, access, refresh):
            self.post("token", grant, Authorization=basic("billing", secret))
            self.post("token", grant, Authorization=basic(secret, "x"))
            self.post("token", {**grant, "client_id": "billing", "client_secret": secret})
        again = {"grant_type": "refresh_token", "refresh_token": refresh}
        successor = self._keep(self.post("token", again).json["refresh_token"])
        self._keep(self.post("token", {**again, "refresh_token": successor}).json["refresh_token"])
        assert self.post("token", again).status == 400
        for token in (self.expired, access, WRONG, self.token()[0]):
            self.post("token", {"grant_type": "refresh_token", "refresh_token": token})
            for path in ("ticket", "revoke", "introspect", "publish"):
                fields = [("token", token), ("data", "x")]
                self.post(path, fields, Authorization=bearer(token))
                self.post(path, [*fields, ("token", token)], Authorization=bearer(token))
                self.post(path, fields, **{"Content-Type": "application/json"})
                self.post(path, [("token", token), ("x", "x" * 70_000)])
                self.post(f"{path}?ticket={self._keep(WRONG)}", Authorization=good)

    def pages(self) -> None:
        answer = self.post("login", {"secret": PASSWORD})
        self.cookie = SimpleCookie(answer.headers["set-cookie"])["fws_status"].value
        self._keep(self.cookie)
        for secret in (WRONG, self.expired, PASSWORD + " "):
            assert self.post("login", {"secret": secret}).status == 401
        self.post("login", {"secret": PASSWORD}, Origin="https://evil.example")
        self.post("login", {"secret": PASSWORD, "x": "x" * 70_000})
        access, _ = self.token()
        carried = {"Authorization": bearer(access), "Cookie": f"fws_status={self.cookie}"}
        for path in ("/", "/ws", "/nothing", "/fails", "/fails-in-the-middle", "/fws/status",
                     "/fws/nothing", "/fws/token", "/fws/status/live"):  # fmt: skip
            for headers in (carried, {}):
                ask(self.port, "GET", f"{path}?a=b&ticket={self.ticket()}", headers=headers)
        ask(self.port, "GET", "/fws/status", headers={"Authorization": bearer(self.expired)})
        self.post("logout", Cookie=f"fws_status={self.cookie}")

    def bad_upgrades(self) -> Iterator[bytes]:
        access, _ = self.token()
        token = f"Authorization: {bearer(access)}"
        cookie = f"Cookie: fws_status={self.cookie}"
        for place in (f"Authorization: {bearer(self.expired)}", f"Authorization: {bearer(WRONG)}",
                      f"Sec-WebSocket-Protocol: fws, fws.bearer.{self.expired}",
                      f"Sec-WebSocket-Protocol: fws.bearer.{WRONG}@"):  # fmt: skip
            yield upgrade(self.port, "/ws", [place])
            yield upgrade(self.port, "/fws/status/live", [place, cookie])
        yield upgrade(self.port, f"/ws?ticket={WRONG}")
        used = f"/ws?%74icket={self.ticket()}"
        yield upgrade(self.port, used)
        yield upgrade(self.port, used)
        yield upgrade(self.port, f"/ws?ticket={self.ticket()}&ticket={self.ticket()}")
        for more in ([token], ["Origin: https://evil.example"], ["Sec-WebSocket-Version: 12"],
                     ["Sec-WebSocket-Key: short"], ["Sec-WebSocket-Extensions: ;;;"],
                     ["Content-Length: 5"], [token, token], [cookie]):  # fmt: skip
            yield upgrade(self.port, f"/ws?ticket={self.ticket()}", more)
            yield upgrade(self.port, f"/nothing?ticket={self.ticket()}", more)
        good = upgrade(self.port, f"/ws?ticket={self.ticket()}")
        for before, after in ((b"GET", b"POST"), (b"HTTP/1.1", b"HTTP/1.0"),
                              (b"Upgrade: websocket", b"Upgrade: other"),
                              (b"Version: 13", b"Version: 99")):  # fmt: skip
            yield good.replace(before, after, 1)

    def malformed(self) -> Iterator[bytes]:
        """Send requests that don't reach the application."""
        access, _ = self.token()
        token = f"Authorization: {bearer(access)}"
        good = upgrade(self.port, f"/ws?ticket={self.ticket()}")
        for before, after in ((b"GET ", b"G(T "), (b"GET ", b"GET\0 "), (b"Host:", b"Host"),
                              (b"Host:", b"Ho st:"), (b"Host:", b"\0Host:"), (b"\r\n", b"\n"),
                              (b"Upgrade:", b" folded\r\nUpgrade:"),
                              (b"GET ", b"GET http://127.0.0.1")):  # fmt: skip
            yield good.replace(before, after, 1)
        for line in (f"{token}\0", f"{token}\r\n folded", "X: " + "x" * 70_000, "Host: other",
                     "Content-Length: -1"):  # fmt: skip
            yield upgrade(self.port, f"/ws?ticket={self.ticket()}", [token, line])
        yield upgrade(self.port, f"/ws?ticket={self.ticket()}&x={'x' * 70_000}")
        yield upgrade(self.port, f"/ws?ticket={self.ticket()}")[:-30]

    def illegible(self) -> Iterator[bytes]:
        """Send requests with malformed lines, which gunicorn and gevent quote."""
        access, _ = self.token()
        token = f"Authorization: {bearer(access)}"
        good = upgrade(self.port, f"/ws?ticket={self.ticket()}")
        for version in (b" HTTP/9.9", b"", b" HTTP/1.1 x"):
            yield good.replace(b" HTTP/1.1", version, 1)
        yield upgrade(self.port, "/ws", [token.replace(":", "")])
        yield upgrade(self.port, "/ws", [access])
        yield f"token:{access}\r\n\r\n".encode()
        yield b"\x16\x03\x01" + access.encode() + b"\r\n\r\n"

    def open_websockets(self) -> None:
        access, _ = self.token()
        offer = [f"Sec-WebSocket-Protocol: fws, fws.bearer.{access}"]
        opened = [
            Client(self.port, "/ws", headers=[f"Authorization: {bearer(access)}"]),
            Client(self.port, "/ws", headers=offer),
            Client(self.port, f"/ws?ticket={self.ticket()}"),
        ]
        waiting = [Client(self.port, "/ws") for _ in range(6)]
        opened.append(waiting.pop())
        opened[-1].send(f"token:{access}")
        for client in opened:
            client.send(f"token:{self.expired}")
            client.send(f"token:{self.other}")
            client.send(f"token:{WRONG}")
            client.send(access)  # a message like any other, which the filter says no to
            client.send("fail")
        for client, data in zip(waiting, (
            frame(1, f"token:{self.expired}".encode()),
            frame(1, b"token:" + WRONG.encode() + b"x" * 9000),
            frame(2, f"token:{access}".encode()),
            frame(1, f"token {access}".encode()),
            frame(1, f"token:{access}".encode() + b"\xff"),
        ), strict=True):  # fmt: skip
            client.raw(data)
        for client in (*opened, *waiting):
            with contextlib.suppress(ConnectionError):
                while client.frame().opcode != 8:
                    pass
            client.drop()
