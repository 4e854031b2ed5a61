"""Publishes the messages of all greenlets over one connection, in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import redis
from gevent.event import AsyncResult, Event
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoScriptError,
    TryAgainError,
)

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import PublishFailed
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.backoff import Backoff, pause_after
from ..redis_io.keys import Keys
from ..redis_io.publishing import PASSING, Publication, RedisClock, StreamTerms, id_of
from ..redis_io.scripts import PUBLISH
from ..redis_io.servers import RedisServers, ServerName

_log = get_logger("redis")

MAX_WAITING = 10_000
"""Messages that may wait for Redis; further ones are refused."""

MAX_BATCH, MAX_BATCH_SIZE = 128, 1 << 20
"""Messages, and bytes, in one batch."""

FORGOTTEN = 60.0
"""Seconds until the failures of a stream without waiting messages are forgotten."""

_ONE_STREAMS = (AskError, ClusterDownError, TryAgainError)
"""Answers that concern one stream alone: its slot moves, or no server has it."""


class Waiting:
    """A message that waits for Redis, with its stream and a place for the answer."""

    __slots__ = ("answer", "publication", "stream")

    def __init__(self, publication: Publication, stream: bytes) -> None:
        self.publication = publication
        self.stream = stream
        self.answer: AsyncResult[str] = AsyncResult()


class _Aside:
    """The messages of one stream that Redis does not accept now, and the time of the next try."""

    __slots__ = ("due", "failures", "waiting")

    def __init__(self) -> None:
        self.due = 0.0
        self.failures = 0
        self.waiting: deque[Waiting] = deque()


class PublishQueue:
    """Publishes messages in the order of the calls; each call waits until its deadline at most.

    A Redis Cluster has a queue for each server, so that one server that is away does not delay the
    messages to the others. A stream whose messages Redis does not accept now is put aside, and the
    other streams go on. `publish_queue_of` returns the queue of a stream, which may have moved.
    """

    def __init__(
        self,
        servers: RedisServers,
        keys: Keys,
        terms: StreamTerms,
        server: ServerName = "",
        publish_queue_of: Callable[[bytes], PublishQueue] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.failing = False
        self._servers = servers
        self._keys = keys
        self._terms = terms
        self._server = server
        self._publish_queue_of = publish_queue_of if servers.sharded else None
        self._clock = clock
        self._redis_clock = RedisClock(servers, clock)
        self._waiting: deque[Waiting] = deque()
        self._again: deque[Waiting] = deque()  # of a batch that failed as a whole
        self._aside: dict[bytes, _Aside] = {}
        self._aside_count = 0
        self._wake = Event()
        self._stopping = False
        self.loop = Loop("publish queue", self._run, clock)
        self.loop.start()

    def publish(self, publication: Publication) -> str:
        """Publish a message and return its id in the stream. Raises PublishFailed."""
        waiting = len(self._waiting) + self._aside_count
        if waiting >= MAX_WAITING or self._stopping:
            raise PublishFailed(f"{waiting} messages wait for Redis already")
        mine = Waiting(publication, self._keys.stream(publication.group))
        self.take(mine)
        mine.answer.wait(max(0.0, publication.left))
        answer = mine.answer.get(block=False) if mine.answer.ready() else None
        if answer is None:
            raise PublishFailed(f"Redis took no message for {self._terms.deadline:g} s")
        return answer

    def stop(self, timeout: float) -> None:
        """Stop after all waiting messages; wait for at most `timeout` seconds."""
        self._stopping = True
        self._wake.set()
        self.loop.join(timeout)

    def take(self, waiting: Waiting) -> None:
        """Add a message to the queue; it may come from another queue."""
        self._waiting.append(waiting)
        self._wake.set()

    def _run(self) -> None:
        backoff = Backoff()
        while True:
            batch = self._next_batch()
            if batch:
                if self._publish_all(batch):
                    backoff.reset()
                else:
                    gevent.sleep(backoff.seconds())
            elif self._stopping and not self._aside_count:
                return
            else:
                self._wake.clear()
                self._wake.wait(self._seconds_until_due())

    # The next batch.

    def _next_batch(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        for each in self._candidates():
            if each.publication.left <= 0:
                continue  # its sender got an error at the deadline
            queue = self if self._publish_queue_of is None else self._publish_queue_of(each.stream)
            if queue is not self:
                queue.take(each)
                continue
            batch.append(each)
            size += len(each.publication.data)
            if len(batch) >= MAX_BATCH or size >= MAX_BATCH_SIZE:
                break
        return batch

    def _candidates(self) -> Iterator[Waiting]:
        """Yield the messages that may be sent now: a failed batch, or those due and waiting."""
        if any(each.publication.left > 0 for each in self._again):
            while self._again:
                yield self._again.popleft()
            return
        self._again.clear()
        now = self._clock.monotonic()
        for stream, aside in tuple(self._aside.items()):
            if aside.due <= now:
                yield from self._due(aside)
                if not aside.waiting and now - aside.due > FORGOTTEN:
                    del self._aside[stream]
        while self._waiting:
            first = self._waiting.popleft()
            found = self._aside.get(first.stream)
            if found is not None and (found.waiting or found.due > now):
                found.waiting.append(first)
                self._aside_count += 1
            else:
                yield first

    def _due(self, aside: _Aside) -> Iterator[Waiting]:
        """Yield the messages of a stream; after a failure only the first one that is in time."""
        while aside.waiting:
            first = aside.waiting.popleft()
            self._aside_count -= 1
            yield first
            if aside.failures and first.publication.left > 0:
                return

    def _seconds_until_due(self) -> float | None:
        due = [aside.due for aside in self._aside.values() if aside.waiting]
        return max(0.0, min(due) - self._clock.monotonic()) if due else None

    # The outcome of a batch.

    def _publish_all(self, batch: list[Waiting]) -> bool:
        """Publish a batch in one request; return whether the next may follow at once."""
        try:
            answers = self._call([each.publication for each in batch])
        except Exception as error:  # noqa: BLE001 - redis-py raises others than RedisError, too
            self._again.extend(batch)
            self._failed(error)
            self._look_again()
            return False
        refused: dict[bytes, tuple[Exception, list[Waiting]]] = {}
        for each, answer in zip(batch, answers, strict=True):
            why = self._settle(each, answer)
            if why is None:
                self._accepted(each.stream)
            elif isinstance(why, NoScriptError):
                self._again.append(each)
            else:
                refused.setdefault(each.stream, (why, []))[1].append(each)
        for stream, (why, those) in refused.items():
            self._put_aside(stream, why, those)
        if any(isinstance(why, MovedError) for why, _ in refused.values()):
            self._look_again()
        return self._load() if self._again else True

    def _call(self, publications: list[Publication]) -> list[Any]:
        servers, first = self._servers, publications[0]
        offset = self._redis_clock.at(0.0, self._keys.stream(first.group))
        pipeline = servers.pipeline(self._server)
        for each in publications:
            latest = offset + int(each.deadline * 1000)
            keys, args = each.call(self._keys, self._terms, servers.publish_command, latest)
            servers.run(pipeline, PUBLISH, keys, args)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def _settle(self, waiting: Waiting, answer: Any) -> Exception | None:
        """Give the sender the outcome of a message, or return the reason to try again."""
        try:
            waiting.answer.set(id_of(answer))
        except (*PASSING, redis.ConnectionError) as error:
            return error
        except PublishFailed as error:
            waiting.answer.set_exception(error)
        return None

    def _put_aside(self, stream: bytes, error: Exception, those: list[Waiting]) -> None:
        aside = self._aside.setdefault(stream, _Aside())
        aside.waiting.extendleft(reversed(those))
        self._aside_count += len(those)
        aside.failures += 1
        aside.due = self._clock.monotonic() + pause_after(aside.failures)
        if not isinstance(error, _ONE_STREAMS) or isinstance(error, MasterDownError):
            self._failed(error)
        elif aside.failures == 1 and not isinstance(error, MovedError):
            name = stream.decode(errors="replace")
            _log.warning("Redis takes no messages to %s: %s", name, error)

    def _accepted(self, stream: bytes) -> None:
        """Note that Redis accepted a message to a stream, or refused it for good."""
        if self.failing:
            self.failing = False
            _log.info("Redis takes messages again")
        aside = self._aside.get(stream)
        if aside is not None:
            aside.failures, aside.due = 0, 0.0
            if not aside.waiting:
                del self._aside[stream]

    def _load(self) -> bool:
        try:
            self._servers.load(PUBLISH)
        except (redis.RedisError, OSError) as error:
            self._failed(error)
            return False
        return True

    def _look_again(self) -> None:
        try:
            self._servers.look_again()
        except (redis.RedisError, OSError) as error:
            _log.debug("can't find out which server has what: %s", error)

    def _failed(self, error: Exception) -> None:
        self._redis_clock.forget()
        if not self.failing:
            self.failing = True
            _log.warning("Redis takes no messages: %s", error)
