"""The reactor: runs the tasks of sockets that have events, in runners.

Filters may block, so they never run in the hub. One runner, a greenlet, works off the queue of
ready tasks. It gets its turn from the hub by a switch. If that switch returns although the runner
has not parked itself, the runner is blocked inside a task, and another runner takes over the queue;
their number is bounded. A runner that was blocked ends after its task, and so does one that a
filter has marked (see `marks`), so that thread-local values and pending time-outs never reach the
next task.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from sys import getrefcount
from typing import Any
from weakref import getweakrefcount

from gevent import get_hub
from gevent._hub_local import get_hub_if_exists  # get_hub would make one
from greenlet import getcurrent, greenlet

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from .calls import Calls
from .flushing import Flushing
from .forks import hear_of_children, leave_loop
from .marks import PlainThread, Runner, references
from .notice import Notice
from .offload import Offload
from .poller import HANGUP, READ, WRITE, Poller, make_poller
from .tasks import TURN, Socketed, Task

_log = get_logger("engine")

BUFFER_SIZE = 256 * 1024
"""Bytes read at once. All connections share the buffer: a runner decodes it before it can yield."""

_AGAIN = 4
"""Ready sockets from which it is worthwhile to poll again before going back to the hub."""

_READY = READ | WRITE  # the mask of nearly all events


class Reactor(Flushing, Calls):
    """Runs the tasks of one node in the thread in which it is started."""

    def __init__(
        self, max_runners: int, offload_threads: int = 10, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        Flushing.__init__(self, clock)
        Calls.__init__(self)
        self.max_runners = max_runners
        self.blocked = 0
        self.buffer = bytearray(BUFFER_SIZE)
        self.messages_unheard = 0
        """Messages without a subscriber; the others are counted by their chain or route."""
        self.current: Task | None = None
        """The task that runs in a turn which ends in a flush; None after it has blocked."""
        self._queue: deque[Task] = deque()
        self._by_descriptor: dict[int, Socketed] = {}
        self._parked: greenlet | None = None
        self._starved = Notice()
        self._poller: Poller | None = None
        self._ask = True
        self._clean = 0  # references to an unmarked runner
        self._pool = Offload(offload_threads)

    def start(self) -> None:
        """Begin, in the process and thread in which the node serves."""
        self._hub = get_hub()
        hear_of_children(self._hub.loop)
        self.take_calls(self._hub.loop)
        self._pool.open(self._hub)
        self._plain_thread = PlainThread()
        self._poller = make_poller(self._hub.loop, self._wake)
        self._more = self._hub.loop.async_()
        self._more.start(self._wake)
        self.rearm = self._poller.rearm

    @property
    def started(self) -> bool:
        """Return whether the reactor runs."""
        return self._poller is not None

    def stop(self) -> None:
        """Free the watchers. Tasks that are blocked in a filter go on to their end."""
        if self._poller is not None:
            self._poller.close()
            self._poller = None
            self.refuse_calls()
            self._more.stop()
            self._more.close()
        if self._parked is not None:
            self._hub.loop.run_callback(self._parked.throw)  # it ends into its parent, the hub
            self._parked = None

    @property
    def on_its_loop(self) -> bool:
        """Return whether the reactor runs in the loop of the present thread."""
        return self.started and get_hub_if_exists() is self._hub

    def on_fork(self) -> None:
        """Let go of all sockets and of the loop in a forked child: they are the parent's."""
        on_its_loop, poller = self.on_its_loop, self._poller
        self.forget_callers()
        if poller is None:
            return
        self._poller = None
        self.forked = True
        self._runner = self.current = None
        for waiting in (self.dirty, self._queue, self._undrained):
            waiting.clear()
        for task in self._by_descriptor.values():
            task.abandon()
        self._by_descriptor.clear()
        poller.abandon()
        if on_its_loop:
            leave_loop(self._hub)

    def add(self, descriptor: int, task: Socketed) -> None:
        """Run `task` whenever `descriptor` has events."""
        assert self._poller is not None
        self._by_descriptor[descriptor] = task
        self._poller.add(descriptor)

    def remove(self, task: Socketed) -> None:
        """End watching a task's descriptor. Call this before it is closed."""
        descriptor = task.descriptor
        if self._by_descriptor.get(descriptor) is task:
            del self._by_descriptor[descriptor]
            if self._poller is not None:
                self._poller.remove(descriptor)

    def want_write(self, task: Socketed) -> None:
        """Call the task's `drain` when its socket, which is full, takes more."""
        if self.rearm is not None and self._by_descriptor.get(task.descriptor) is task:
            self.rearm(task.descriptor, WRITE)

    def schedule(self, task: Task) -> None:
        """Run `task` soon, once, though its socket has no events."""
        if task.busy:
            task.again = True
            return
        task.busy = True
        self._queue.append(task)
        if self._runner is None:
            self._more.send()

    def offload(self, call: Callable[[Any, Any], Any], instance: Any, data: Any) -> Any:
        """Run a filter in a thread of the pool; return its result or raise its exception."""
        self.current = None  # the thread may begin before this runner is seen to be blocked
        return self._pool.run(call, instance, data)

    def _wake(self) -> None:
        """Give runners their turn until the work is done or all are blocked. Runs in the hub."""
        self.work = 0
        self._ask = True
        while self._runner is None and self._poller is not None:
            if self.blocked >= self.max_runners:
                self._poll()  # to take the edges, on which the loop would spin
                self._starve()
                return
            runner, self._parked = self._parked or Runner(self._live, self._hub), None
            self._runner = runner
            self._will_flush = True
            runner.switch()
            if self._runner is not runner:
                return  # it parked: there is no work for now
            self._runner = None
            self.current = None
            if runner.dead:
                continue  # it was marked: a fresh one goes on
            self.blocked += 1
            self.flush()

    def _starve(self) -> None:
        if self._starved.begins():
            _log.error("all %d runners are blocked in filters: connections wait; see "
                       "--max_runners", self.max_runners)  # fmt: skip

    def _live(self) -> None:
        """Live as a runner until blocked, or marked by a filter."""
        me = getcurrent()
        try:
            self._take_turns(me)
        except Exception as error:  # without a runner no task would run
            if self.forked:
                raise
            self.failures.add(error)
            self._more.send()
            if self._runner is me:
                self._runner = None
                self._will_flush = False
                return
        if self._runner is not me and not self.forked:
            self._retire()

    def _retire(self) -> None:
        self.blocked -= 1
        if self.blocked <= self.max_runners // 2:
            self._starved.is_over()
        self._hub.loop.run_callback(self._wake)

    def _take_turns(self, me: greenlet) -> None:
        """Work off the queue and new events, and park while there is nothing to do.

        Return when the runner was blocked, or a filter has marked it.
        """
        queue, rearm, attributes, work = self._queue, self.rearm, me.__dict__, 0
        self._clean, clean = references(), getrefcount(me)
        while True:
            while queue:
                task = self.current = queue.popleft()
                try:
                    task.context.run(task.run)
                except BaseException as error:  # noqa: BLE001 - the other tasks go on
                    self._failed(task, error)
                if rearm is not None and self._by_descriptor.get(task.descriptor) is task:
                    rearm(task.descriptor, READ)
                if task.again:
                    task.again = False
                    queue.append(task)
                else:
                    task.busy = False
                if self._runner is not me:
                    return  # it was blocked, and another runner has the queue
                work += 1
                # `marked`, without the call.
                if (
                    attributes
                    or getrefcount(me) != clean
                    or (getweakrefcount(me) and not self._plain_thread.is_all_of(me))
                ):
                    self.work += work
                    return
                if work + self.work > TURN:
                    break
            if self._is_over(work):
                self._runner = None
                self._will_flush = False
                self._parked = me
                self._hub.switch()
                work = 0
                self._clean, clean = references(), getrefcount(me)

    def marked(self) -> bool:
        """Return whether a filter has marked the present greenlet, or blocked in it.

        If so, the task returns, and a new greenlet runs filters for its next event.
        """
        me = getcurrent()
        return (
            me is not self._runner
            or bool(me.__dict__)
            or references() != self._clean + 1  # `me`
            or (getweakrefcount(me) > 0 and not self._plain_thread.is_all_of(me))
        )

    def _is_over(self, work: int) -> bool:
        """Write, after the queue or enough of it; return whether the hub gets its turn."""
        self.current = None
        self.flush()
        if work + self.work > TURN:
            self._poll()  # new events come behind the queue
            self._more.send()
            return True
        if self._queue:
            return False  # a write failed, and its connection has to end
        if not self._ask:
            return True  # the loop wakes the reactor again if there is more
        news = self._poll()
        self._ask = news >= _AGAIN
        return not news

    def _poll(self) -> int:
        """Queue the tasks that have events; return the number of events."""
        assert self._poller is not None
        events = self._poller.poll()
        queue, by_descriptor = self._queue, self._by_descriptor
        for descriptor, mask in events:
            task = by_descriptor.get(descriptor)
            if task is None:
                continue
            try:
                if task.waiting:
                    task.drain()
                if mask != _READY:
                    if mask & HANGUP:
                        task.on_hang_up()
                    elif mask == WRITE and not task.secure:
                        continue
            except Exception as error:  # noqa: BLE001 - as in `flush`
                self._failed(task, error)
            if task.busy:
                task.again = True
            else:
                task.busy = True
                queue.append(task)
        return len(events)
