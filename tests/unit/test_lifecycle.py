"""The transition table: every legal move and every illegal one."""

from __future__ import annotations

import pytest

from support.facts import ENDS, LEGAL, LIVE, OUTCOMES, TERMINAL, TYPES
from swarm_store import lifecycle
from swarm_store.errors import IllegalTransition

STATES = (None, *LIVE, *TERMINAL)
MOVES = [
    (state, type, outcome)
    for state in STATES
    for type in TYPES
    for outcome in ((None, "lost", "running", *OUTCOMES) if type in ENDS else (None,))
]


@pytest.mark.parametrize(("state", "type", "outcome"), LEGAL)
def test_a_legal_event_moves_the_agent(state: str | None, type: str, outcome: str | None) -> None:
    """Each row of the table leads to the state that the design names."""
    assert lifecycle.target("a", state, type, outcome) == LEGAL[state, type, outcome]


@pytest.mark.parametrize(("state", "type", "outcome"), [move for move in MOVES if move not in LEGAL])
def test_an_illegal_event_raises(state: str | None, type: str, outcome: str | None) -> None:
    """Whatever the table does not name is refused, in words that name the agent."""
    with pytest.raises(IllegalTransition, match="agent a"):
        lifecycle.target("a", state, type, outcome)


def test_the_table_knows_no_other_events() -> None:
    """A type that is no transition is a KeyError, so that nobody takes it for one."""
    assert set(lifecycle.TRANSITIONS) == set(TYPES)
    with pytest.raises(KeyError):
        lifecycle.target("a", "running", "stdout:written")


def test_states_are_either_live_or_terminal() -> None:
    """The eight states are four live and four terminal ones, none both."""
    assert set(LIVE) == lifecycle.LIVE
    assert set(TERMINAL) == lifecycle.TERMINAL
    assert set(lifecycle.STATES) == set(LIVE) | set(TERMINAL)


@pytest.mark.parametrize("state", TERMINAL)
def test_a_terminal_state_is_left_by_restart_and_removal_alone(state: str) -> None:
    """No event but these two moves an agent out of a terminal state."""
    allowed = [type for type, (allowed, to) in lifecycle.TRANSITIONS.items() if state in allowed and to]
    assert allowed == ["agent:restarted", "agent:removed"]


@pytest.mark.parametrize(
    ("exit_code", "reason", "expected"),
    [
        (0, None, "completed"),
        (1, None, "failed"),
        (255, None, "failed"),
        (None, None, "failed"),
        (0, "timeout", "failed"),
        (0, "cancel", "cancelled"),
        (None, "cancel", "cancelled"),
        (0, "silence", "failed"),
        (0, "shutdown", "cancelled"),
    ],
)
def test_an_unknown_end_is_never_success(exit_code: int | None, reason: str | None, expected: str) -> None:
    """Only exit status 0 of a run that ended by itself is completed."""
    assert lifecycle.outcome(exit_code, reason) == expected
