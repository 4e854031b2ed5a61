"""A proxy to Redis that loses or delays answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent.server import StreamServer


class RedisProxy:
    """Pass all requests on, and lose or delay their answers.

    While `deaf` is set, answers are discarded, so requests are executed without an answer; `delay`
    is an additional delay of each answer, in seconds.
    """

    def __init__(self, redis_port: int) -> None:
        self.deaf = False
        self.delay = 0.0
        self._lose = b""
        self._redis_port = redis_port
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        assert self._server.server_port
        self.port: int = self._server.server_port

    def lose_answer(self, word: bytes) -> None:
        """Cut the connection of the next request with `word`, before its answer."""
        self._lose = word

    @property
    def lost(self) -> bool:
        """Return whether the answer was lost."""
        return not self._lose

    def stop(self) -> None:
        """Stop accepting, and cut all connections."""
        self._server.stop(timeout=1)

    def _serve(self, client: socket.socket, _address: object) -> None:
        with socket.create_connection(("127.0.0.1", self._redis_port)) as redis:
            answers = gevent.spawn(self._answer, redis, client)
            try:
                while data := client.recv(65536):
                    cut = bool(self._lose) and self._lose in data
                    if cut:
                        answers.kill()
                    redis.sendall(data)
                    if cut:
                        redis.recv(65536)  # it is executed
                        self._lose = b""
                        break
            except OSError:
                pass  # one end has closed, and the other will notice
            answers.kill()
        client.close()

    def _answer(self, redis: socket.socket, client: socket.socket) -> None:
        try:
            while data := redis.recv(65536):
                gevent.sleep(self.delay)
                if not self.deaf:
                    client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            return


@contextmanager
def proxy_to(redis_port: int) -> Iterator[RedisProxy]:
    """Yield a proxy."""
    made = RedisProxy(redis_port)
    try:
        yield made
    finally:
        made.stop()
