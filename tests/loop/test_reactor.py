"""The reactor with the simplest tasks: turns, runners, threads."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from fws_gevent.loop.flushing import FLUSHES
from fws_gevent.loop.reactor import Reactor
from tests.clients import PATIENCE
from tests.waiting import until


class Job:
    """A task that calls a function at each run."""

    def __init__(self, function: Callable[[Job], None], descriptor: int = -1) -> None:
        self.busy = self.again = self.secure = False
        self.waiting: Any = None
        self.context = Context()
        self.descriptor = descriptor
        self.runs = self.flushes = self.drains = 0
        self.aborted = False
        self._function = function

    def run(self) -> None:
        self.runs += 1
        self._function(self)

    def has_run(self) -> bool:
        return self.runs > 0

    def abort(self) -> None:
        self.aborted = True

    def drain(self) -> None:
        self.drains += 1

    def flush(self) -> None:
        self.flushes += 1

    def on_hang_up(self) -> None:
        raise AssertionError

    def abandon(self) -> None:
        raise AssertionError


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor(max_runners=2)
    reactor.start()
    yield reactor
    reactor.stop()


def test_a_scheduled_task_runs_once(reactor: Reactor) -> None:
    job = Job(lambda job: None)
    reactor.schedule(job)
    until(lambda: job.runs)
    gevent.sleep(0.01)
    assert job.runs == 1
    assert not job.busy


def test_an_event_during_a_run_makes_the_task_run_again(reactor: Reactor) -> None:
    job = Job(lambda job: reactor.schedule(job) if job.runs == 1 else None)
    reactor.schedule(job)
    until(lambda: job.runs == 2)
    assert not job.busy


def test_a_task_that_blocks_leaves_the_queue_to_another_runner(reactor: Reactor) -> None:
    release = Event()
    order: list[str] = []

    def block(job: Job) -> None:
        release.wait(PATIENCE)
        order.append("blocked")

    blocked, other = Job(block), Job(lambda job: order.append("other"))
    reactor.schedule(blocked)
    reactor.schedule(other)
    until(lambda: other.runs)
    assert reactor.blocked == 1
    release.set()
    until(lambda: not blocked.busy)
    assert order == ["other", "blocked"]
    until(lambda: not reactor.blocked)


def test_it_is_logged_once_that_all_runners_are_blocked(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    release = Event()
    jobs = [Job(lambda job: bool(release.wait(PATIENCE))) for _ in range(5)]  # type: ignore[arg-type]
    for job in jobs:
        reactor.schedule(job)
    until(lambda: reactor.blocked == 2)
    gevent.sleep(0.01)
    assert reactor.blocked == 2
    release.set()
    until(lambda: not any(job.busy for job in jobs))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "--max_runners" in errors[0].getMessage()


def test_a_task_that_always_has_work_starves_neither_sockets_nor_timers(reactor: Reactor) -> None:
    left, right = socket.socketpair()
    done = Event()

    def more(job: Job) -> None:
        job.again = not done.is_set()

    endless = Job(more)
    reader = Job(lambda job: done.set(), left.fileno())
    reactor.add(left.fileno(), reader)
    reactor.schedule(endless)
    until(lambda: endless.runs)
    right.send(b"x")
    assert done.wait(PATIENCE)
    until(lambda: not endless.busy)
    reactor.remove(reader)
    left.close()
    right.close()


def test_a_task_that_raises_is_aborted_and_the_others_run(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(job: Job) -> None:
        raise ValueError("broken")

    bad, good = Job(fail), Job(lambda job: None)
    reactor.schedule(bad)
    reactor.schedule(good)
    until(lambda: good.runs)
    assert bad.aborted
    assert not bad.busy
    assert "broken" in caplog.text


def test_a_runner_that_was_blocked_is_not_used_again(reactor: Reactor) -> None:
    greenlets: list[Any] = []

    def note(job: Job) -> None:
        if greenlets:
            greenlets.append(id(gevent.getcurrent()))  # a reference would mark it
        else:
            greenlets.append(gevent.getcurrent())
            gevent.sleep(0)

    for count in range(1, 4):
        reactor.schedule(Job(note))
        until(lambda count=count: len(greenlets) == count)  # type: ignore[misc]
    first, second, third = greenlets
    assert id(first) != second
    assert second == third


def test_another_thread_can_call_and_run_functions_in_the_loop(reactor: Reactor) -> None:
    here = get_original("_thread", "get_ident")()
    seen: list[Any] = []

    def elsewhere() -> None:
        seen.append(reactor.elsewhere())
        reactor.call_here(lambda: seen.append(get_original("_thread", "get_ident")()))

    get_original("_thread", "start_new_thread")(elsewhere, ())
    until(lambda: len(seen) == 2)
    assert seen == [True, here]
    assert not reactor.elsewhere()


def test_an_offloaded_call_returns_its_value_or_raises_its_exception(reactor: Reactor) -> None:
    assert reactor.offload(lambda one, two: one + two, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        reactor.offload(lambda one, two: one / two, 1, 0)


def test_a_task_that_is_removed_late_leaves_the_new_owner_of_its_descriptor_alone(
    reactor: Reactor,
) -> None:
    left, right = socket.socketpair()
    first = Job(lambda job: None, left.fileno())
    reactor.add(left.fileno(), first)
    reactor.remove(first)
    heard = Event()
    second = Job(lambda job: heard.set(), left.fileno())
    reactor.add(left.fileno(), second)
    reactor.remove(first)
    right.send(b"x")
    until(heard.is_set)
    reactor.remove(second)
    left.close()
    right.close()


def test_a_broadcast_to_many_leaves_in_several_portions(reactor: Reactor) -> None:
    jobs = [Job(lambda job: None) for _ in range(2 * FLUSHES + 1)]
    for job in jobs:
        reactor.mark(job)
    reactor.flush()
    assert sum(job.flushes for job in jobs) == FLUSHES
    until(lambda: all(job.flushes == 1 for job in jobs))


def test_all_output_is_written_at_once_at_the_end(reactor: Reactor) -> None:
    jobs = [Job(lambda job: None) for _ in range(2 * FLUSHES + 1)]
    for job in jobs:
        reactor.mark(job)
    reactor.flush_all()
    assert all(job.flushes == 1 for job in jobs)


def test_tasks_with_more_to_write_have_their_turns_one_after_another(reactor: Reactor) -> None:
    one, other = Job(lambda job: None), Job(lambda job: None)
    for job in (one, other, one):
        reactor.drain_later(job)
    until(lambda: other.drains)
    gevent.sleep(0)
    assert (one.drains, other.drains) == (1, 1)


class Broken(Job):
    """A task of which one method raises."""

    def __init__(self, part: str, descriptor: int = -1) -> None:
        super().__init__(lambda job: None, descriptor)
        self.broken = part
        self.failed = 0

    def fail_if(self, part: str) -> None:
        if part == self.broken or self.broken == "all":
            self.failed += 1
            raise ValueError(part)

    def run(self) -> None:
        super().run()
        self.fail_if("run")

    def flush(self) -> None:
        self.fail_if("flush")

    def drain(self) -> None:
        self.fail_if("drain")

    def on_hang_up(self) -> None:
        self.fail_if("hang up")

    def abort(self) -> None:
        super().abort()
        self.fail_if("abort")


@pytest.mark.parametrize("part", ["run", "flush", "drain", "hang up", "all"])
def test_a_task_that_raises_in_any_method_leaves_the_others_alone(
    part: str, reactor: Reactor
) -> None:
    sockets = [socket.socketpair() for _ in range(3)]
    tasks = [Broken(part if number == 1 else "", each[0].fileno())
             for number, each in enumerate(sockets)]  # fmt: skip
    for (here, there), task in zip(sockets, tasks, strict=True):
        here.setblocking(False)
        task.waiting = part in ("drain", "all")
        reactor.add(here.fileno(), task)
        there.send(b"x")
        if part in ("hang up", "all"):
            there.close()
    for task in tasks:
        reactor.mark(task)
        reactor.drain_later(task)
        reactor.schedule(task)
    until(lambda: tasks[1].failed and all(task.runs for task in tasks))
    assert [task.aborted for task in tasks] == [False, True, False]
    after = Job(lambda job: reactor.mark(job))
    reactor.schedule(after)
    until(lambda: after.flushes)
    assert reactor.blocked == 0
    for (here, there), task in zip(sockets, tasks, strict=True):
        reactor.remove(task)
        here.close()
        there.close()


def test_a_turn_that_raises_is_followed_by_another(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll, left = reactor._poll, [ValueError("a fault of ours")]

    def fail_once() -> int:
        if left:
            raise left.pop()
        return poll()

    monkeypatch.setattr(reactor, "_poll", fail_once)
    jobs = [Job(lambda job: None) for _ in range(3)]
    for job in jobs:
        reactor.schedule(job)
        until(partial(Job.has_run, job))
    assert not left
    assert reactor.failures.count == 1
