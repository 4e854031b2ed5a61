"""The states of a connection, and the table of the steps between them.

The table is pure data; `conversation.py` acts on it. A pair that is not in the table changes
nothing, so an event that comes late, or twice, never takes a connection back.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """The states of a connection, in the order in which they may follow."""

    OPEN = auto()
    """Messages pass in both directions."""
    CLOSING = auto()
    """Our Close was sent first; the peer's is awaited (RFC 6455 §7.1.2)."""
    FAILING = auto()
    """The connection is being failed: our Close was sent, input is discarded (§7.1.7)."""
    FINISHING = auto()
    """Nothing more is awaited: the socket closes when our output is written (§7.1.1)."""
    LINGERING = auto()
    """Our side of the stream is shut; input is discarded until the peer shuts its side (§7.1.1).

    A socket that is closed over unread input resets the connection, which destroys a Close that
    is still on its way.
    """
    CLOSED = auto()
    """The socket is closed; the disconnect event is still to come."""
    GONE = auto()
    """The disconnect event was emitted."""


class Step(Enum):
    """The steps from one state to another."""

    CLOSE = auto()
    """The application closes."""
    PEER_CLOSE = auto()
    """The peer sent a Close."""
    FAIL = auto()
    """The peer violated the protocol or a limit, or reads too slowly."""
    END_OF_INPUT = auto()
    """The peer shut its side of the stream, and may read on (RFC 9293 §3.6)."""
    WRITTEN = auto()
    """All output was handed to the kernel."""
    LOST = auto()
    """The socket failed, or the peer was given up."""
    EMITTED = auto()
    """The disconnect event was emitted."""


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.OPEN, Step.CLOSE): State.CLOSING,  # §7.1.2
    (State.OPEN, Step.PEER_CLOSE): State.FINISHING,  # §5.5.1: answered with a Close of our own
    (State.OPEN, Step.FAIL): State.FAILING,  # §7.1.7
    (State.OPEN, Step.END_OF_INPUT): State.FINISHING,  # §7.1.5: without a Close, code 1006
    (State.OPEN, Step.LOST): State.CLOSED,
    (State.CLOSING, Step.PEER_CLOSE): State.FINISHING,  # §7.1.3: the closing handshake is complete
    (
        State.CLOSING,
        Step.FAIL,
    ): State.FAILING,  # our Close was sent already; a second one is not allowed
    (State.CLOSING, Step.END_OF_INPUT): State.FINISHING,
    (State.CLOSING, Step.LOST): State.CLOSED,
    (State.FAILING, Step.WRITTEN): State.LINGERING,
    (State.FAILING, Step.END_OF_INPUT): State.FINISHING,
    (State.FAILING, Step.LOST): State.CLOSED,
    (State.FINISHING, Step.WRITTEN): State.CLOSED,  # §7.1.1: the server closes first
    (State.FINISHING, Step.LOST): State.CLOSED,
    (State.LINGERING, Step.END_OF_INPUT): State.CLOSED,
    (State.LINGERING, Step.LOST): State.CLOSED,
    (State.CLOSED, Step.EMITTED): State.GONE,
}

CLOSE_FRAME: frozenset[Step] = frozenset((Step.CLOSE, Step.PEER_CLOSE, Step.FAIL))
"""The steps that send our Close when they leave OPEN."""

DISCARDING: frozenset[State] = frozenset((State.FAILING, State.FINISHING, State.LINGERING))
"""The states in which input is read but no longer interpreted (§1.4, §5.5.1)."""
