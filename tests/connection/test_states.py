"""The table of a connection's states."""

from __future__ import annotations

import pytest

from fws_gevent.connection.states import CLOSE_FRAME, DISCARDING, TRANSITIONS, State, Step


@pytest.mark.parametrize(("before", "step"), list(TRANSITIONS))
def test_no_step_leads_back(before: State, step: Step) -> None:
    assert TRANSITIONS[before, step].value > before.value


@pytest.mark.parametrize("state", list(State))
def test_a_lost_connection_is_closed_from_every_state(state: State) -> None:
    for step in (Step.LOST, Step.EMITTED):
        state = TRANSITIONS.get((state, step), state)
    assert state is State.GONE


@pytest.mark.parametrize("state", list(State))
def test_the_ends_of_input_and_output_end_every_connection_that_is_not_open(state: State) -> None:
    if state is State.OPEN:
        return
    for step in (Step.WRITTEN, Step.END_OF_INPUT, Step.WRITTEN, Step.EMITTED):
        state = TRANSITIONS.get((state, step), state)
    assert state is State.GONE


def test_input_is_interpreted_until_one_side_ends_the_connection() -> None:
    interpreted = {State.OPEN, State.CLOSING}
    assert interpreted.isdisjoint(DISCARDING)
    assert interpreted | DISCARDING | {State.CLOSED, State.GONE} == set(State)


def test_a_close_is_sent_by_each_step_after_which_the_peer_still_reads() -> None:
    assert {Step.CLOSE, Step.PEER_CLOSE, Step.FAIL} == CLOSE_FRAME
