"""`reactor` runs the server that a program of filtered_websocket has built."""

from __future__ import annotations

from contextvars import Context

import pytest

from fws_gevent.connection.connection import get_ident
from fws_gevent.startup.compatible_reactor import BuiltServer, reactor
from tests.native_threads import in_thread
from tests.waiting import until


class Recorder:
    """A server that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def serve_forever(self) -> None:
        self.calls.append("serve")

    def stop(self) -> None:
        self.calls.append("stop")


def test_the_last_server_that_was_built_runs_and_stops() -> None:
    first, last = Recorder(), Recorder()

    def program() -> None:
        assert reactor.keep(first) is first
        assert reactor.keep(last) is last
        reactor.run()
        reactor.stop()

    Context().run(program)
    assert (first.calls, last.calls) == ([], ["serve", "stop"])


@pytest.mark.parametrize("call", [BuiltServer.run, BuiltServer.stop])
def test_without_a_server_the_error_says_what_to_do(call: object) -> None:
    assert callable(call)
    with pytest.raises(RuntimeError, match=r"call build_reactor\(options\) first"):
        Context().run(call, reactor)


def test_while_it_runs_it_stops_from_other_contexts_and_threads_on_its_own_loop() -> None:
    here = get_ident()

    class Server(Recorder):
        def serve_forever(self) -> None:
            Context().run(reactor.stop)
            assert self.calls == []  # it does not wait
            in_thread(reactor.stop)
            until(lambda: len(self.calls) == 2)

        def stop(self) -> None:
            assert get_ident() == here
            super().stop()

    server = Server()

    def program() -> None:
        reactor.keep(server)
        reactor.run()

    Context().run(program)
    assert server.calls == ["stop", "stop"]
    with pytest.raises(RuntimeError):
        Context().run(reactor.stop)


def test_each_context_has_its_own_server() -> None:
    one, other = Recorder(), Recorder()
    contexts = [Context(), Context()]
    for context, server in zip(contexts, (one, other), strict=True):
        context.run(reactor.keep, server)
    contexts[0].run(reactor.run)
    assert (one.calls, other.calls) == (["serve"], [])
