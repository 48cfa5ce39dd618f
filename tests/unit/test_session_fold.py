"""What a session wants of those who start runs."""

from __future__ import annotations

from typing import Any

import pytest

from support.ended import END, agent
from swarm_store import conversation
from swarm_store.clock import rfc3339
from swarm_store.conversation import is_open, wants_run

BEFORE_RUN, IN_RUN, AFTER = (0, False), (1, False), (1, True)  # in which run something came, and whether that had ended


def came(in_run: int, ended: bool) -> dict[str, Any]:
    return {"run": in_run, "ended": ended}


def session(sent: tuple[int, bool] | None = None, **given: Any) -> conversation.Session:
    waiting, sent_in = ([3], came(*sent)) if sent else ([], None)
    return {**conversation.new("agentid1"), "waiting": waiting, "sent_in": sent_in, **given}


@pytest.mark.parametrize("state", ["completed", "failed", "lost"])
def test_a_turn_wants_one_run(state: str) -> None:
    """A turn that was sent in the last run or after it wants another; one that a run was begun for does not."""
    wanted = [wants_run(session(sent), agent(state)) for sent in (None, BEFORE_RUN, IN_RUN, AFTER)]
    assert wanted == [False, False, True, True]


def test_an_answer_wants_a_run() -> None:
    """What somebody has answered in the last run or after it, and the turn under way was not told, wants another."""
    current = {"turn": 1, "run": 1, "started_at": rfc3339(END)}
    answers = [{"id": "x", **came(*one)} for one in (BEFORE_RUN, IN_RUN, AFTER)]
    ended = agent("failed")
    assert [wants_run(session(current=current, answered=one), ended) for one in answers] == [False, True, True]
    assert not wants_run(session(answered=answers[2]), ended)


def test_what_was_cancelled_wants_what_came_later() -> None:
    """Who cancels an agent does not want what was sent before; a shutdown is no cancel."""
    sent = [session(one) for one in (BEFORE_RUN, IN_RUN, AFTER)]
    assert [wants_run(one, agent("cancelled", reason="cancel")) for one in sent] == [False, False, True]
    assert [wants_run(one, agent("cancelled", reason="shutdown")) for one in sent] == [False, True, True]


def test_a_run_that_never_began_was_for_its_turn() -> None:
    """Where the last run's command was never executed, the turn that it was begun for wants no other."""
    failed = agent("failed", started_at=None)
    assert [wants_run(session(sent), failed) for sent in (BEFORE_RUN, AFTER)] == [False, True]


def test_who_lives_wants_no_run() -> None:
    """A living agent takes its turns itself."""
    assert not wants_run(session(IN_RUN), agent("running"))


def test_open_is_what_is_not_completed() -> None:
    """A turn that waits, or that was begun and not completed, is left to do."""
    current = {"turn": 1, "run": 1, "started_at": rfc3339(END)}
    assert [is_open(one) for one in (session(), session(IN_RUN), session(current=current))] == [False, True, True]
