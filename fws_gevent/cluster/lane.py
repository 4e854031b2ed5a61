"""Publishing from many greenlets over one connection: what waits goes out together."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

import gevent
import redis
from gevent.event import AsyncResult, Event
from redis.exceptions import NoScriptError

from ..engine.supervision import Loop
from ..errors import PublishFailed
from .backoff import Backoff
from .keys import Keys
from .publishing import PASSING, Publication, RedisClock, StreamTerms, id_of
from .scripts import PUBLISH
from .servers import RedisServers

_log = logging.getLogger("fws_gevent.redis")

MAX_WAITING = 10_000
"""Messages that may wait for Redis at once; more are refused."""

MAX_BATCH, MAX_BATCH_SIZE = 128, 1 << 20
"""Messages, and bytes, that go out together."""


class _Waiting:
    __slots__ = ("answer", "publication")

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.answer: AsyncResult[str] = AsyncResult()


class Lane:
    """Publishes in the order of the calls; each waits for its answer, until its deadline.

    A Redis Cluster has a lane for each server, so that one that is away holds up nobody else's.
    """

    def __init__(self, servers: RedisServers, keys: Keys, terms: StreamTerms) -> None:
        self.failing = False
        self._servers = servers
        self._keys = keys
        self._terms = terms
        self._clock = RedisClock(servers)
        self._waiting: deque[_Waiting] = deque()
        self._something = Event()
        self._stopping = False
        self.loop = Loop("publish queue", self._live)
        self.loop.start()

    def publish(self, publication: Publication) -> str:
        """Publish a message; returns its id in the stream. Raises PublishFailed."""
        if len(self._waiting) >= MAX_WAITING or self._stopping:
            raise PublishFailed(f"{len(self._waiting)} messages wait for Redis already")
        mine = _Waiting(publication)
        self._waiting.append(mine)
        self._something.set()
        mine.answer.wait(max(0.0, publication.left))
        answer = mine.answer.get(block=False) if mine.answer.ready() else None
        if answer is None:
            raise PublishFailed(f"Redis took no message for {self._terms.deadline:g} s")
        return answer

    def stop(self, timeout: float) -> None:
        """End after what waits; waits for `timeout` seconds at most."""
        self._stopping = True
        self._something.set()
        self.loop.join(timeout)

    def _live(self) -> None:
        while True:
            self._something.wait()
            batch = self._next_batch()
            if batch:
                self._publish_all(batch)
            elif self._stopping:
                return
            else:
                self._something.clear()

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH and size < MAX_BATCH_SIZE:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].publication.data)
        return batch

    def _publish_all(self, batch: list[_Waiting]) -> None:
        """Publish a batch, in as many attempts as the deadlines allow."""
        backoff = Backoff()
        while True:
            # Who waited for these has been told that they failed.
            batch = [each for each in batch if each.publication.left > 0]
            if not batch:
                return
            try:
                answers = self._call([each.publication for each in batch])
            except Exception as error:  # noqa: BLE001 - redis-py has some that are no RedisError
                self._failed(error)
            else:
                batch = [
                    each for each, answer in zip(batch, answers, strict=True)
                    if not self._settle(each, answer)
                ]  # fmt: skip
                if not batch:
                    self._recovered()
                    return
                if any(isinstance(answer, NoScriptError) for answer in answers):
                    self._load()
                    continue
            gevent.sleep(backoff.seconds())

    def _call(self, publications: list[Publication]) -> list[Any]:
        servers, first = self._servers, publications[0]
        offset = self._clock.at(0.0, self._keys.stream(first.group))
        pipeline = servers.client.pipeline(transaction=False)
        for each in publications:
            latest = offset + int(each.deadline * 1000)
            keys, args = each.call(self._keys, self._terms, servers.publish_command, latest)
            servers.run(pipeline, PUBLISH, keys, args)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def _settle(self, waiting: _Waiting, answer: Any) -> bool:
        """Tell who waits what became of a message; False if it is worth another attempt."""
        try:
            waiting.answer.set(id_of(answer))
        except NoScriptError:
            return False
        except (*PASSING, redis.ConnectionError) as error:
            self._failed(error)
            return False
        except PublishFailed as error:
            waiting.answer.set_exception(error)
        return True

    def _load(self) -> None:
        try:
            self._servers.load(PUBLISH)
        except (redis.RedisError, OSError) as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._clock.forget()
        if not self.failing:
            self.failing = True
            _log.warning("Redis takes no messages: %s", error)

    def _recovered(self) -> None:
        if self.failing:
            self.failing = False
            _log.info("Redis takes messages again")
