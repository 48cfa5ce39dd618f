"""Turns for agents of a kind: one that lives gets it at once, one that has ended is started again to take it.

To an ended agent the turn and its new run are one transaction: whoever is killed between that and the launch leaves
what a supervisor finds and starts as any run whose spawner died. One whose session is closed is about to end, and is
waited for; if the sender is killed meanwhile, the supervisor finds an ended agent whose turn waits, and starts it.
"""

from __future__ import annotations

import time

from swarm_store import approvals, budgets, conversation, events, lifecycle, registry, sessions
from swarm_store.errors import AnsweredLate, IllegalTransition, NotPossible, SwarmError
from swarm_store.follow import follow

from . import control, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from swarm_store.conversation import Approval
    from swarm_store.fold import Agent
    from swarm_store.log import Log
    from swarm_store.transaction import Producer

END_SECONDS = 60.0  # in which a run whose session is closed must have ended: its agent may take a while to


def send_turn(log: Log, agent: Agent, text: str, *, by: str | None, producer: Producer | None = None) -> int:
    """Have the agent take another turn, after all that it was sent before; the turn's name.

    It is on disk when this returns, and a run is there to take it; what a `producer` has sent is not sent again. Raises
    NotPossible where the agent is of no kind or may begin no turn, NoSuchAgent; where it has ended what spawn.restart
    raises, and CannotStart after the turn was sent: it waits then for the next run.
    """
    earlier = sessions.sent_by(log, agent["id"], producer) if producer is not None else None
    if earlier is not None:
        return earlier
    why_not = budgets.may_begin(log, agent["id"])
    if why_not is not None:
        raise NotPossible(f"agent {agent['id']} takes no turn: {why_not}", "raise that, or spawn another")
    if agent["state"] in lifecycle.TERMINAL and agent["kind"] is not None:
        turn = _send_to_ended(log, agent, text, by=by, producer=producer)
        if turn is not None:
            return turn
    turn = sessions.send(log, agent, text, by=by, producer=producer)
    _have_it_taken(log, agent["id"])
    return turn


def answer(log: Log, word: str, **said: Any) -> Approval:
    """Answer an approval, as approvals.answer; an ended agent whose turn has waited for it goes on in a new run.

    Raises as approvals.answer; CannotStart after the answer was given: it waits then for the next run.
    """
    try:
        answered = approvals.answer(log, word, **said)
    except AnsweredLate:
        _go_on(log, approvals.resolve(log, word)["agent"])
        raise
    _go_on(log, answered["agent"])
    return answered


def _go_on(log: Log, agent_id: str) -> None:
    agent, session = registry.get(log, agent_id), sessions.get(log, agent_id)
    if agent is not None and session is not None and agent["state"] in lifecycle.TERMINAL and session["current"]:
        _begin_run(log, agent)


def interrupt(log: Log, agent: Agent, *, by: str | None) -> None:
    """End the turn that the agent is at, or send SIGINT to what has no turns. Raises NotPossible."""
    if agent["kind"] is None:
        control.ask_signal(log, agent, "INT")
    else:
        sessions.interrupt(log, agent, by=by)


def _send_to_ended(log: Log, agent: Agent, text: str, *, by: str | None, producer: Producer | None) -> int | None:
    """The turn together with a new run, which is launched; None where somebody else has just begun one."""
    try:
        spawn.end_left(log, agent)
        opened = spawn.new_run(log, agent, reason="turn")
        turn = sessions.send(log, agent, text, by=by, producer=producer, opening=opened)
    except IllegalTransition:
        return None
    spawn.launch_run(log, agent["id"], opened.data["run"])
    return turn


def _have_it_taken(log: Log, agent_id: str) -> None:
    """See that a run of the agent is there for what was sent; one that takes no more turns is waited for."""
    start = log.head(events.REGISTRY)
    for _ in follow(log, {events.REGISTRY: start}, deadline=time.monotonic() + END_SECONDS):
        agent, session = registry.get(log, agent_id), sessions.get(log, agent_id)
        if agent is None:
            raise registry.no_such(agent_id)
        if agent["state"] in lifecycle.TERMINAL:
            if session is not None and conversation.wants_run(session, agent):
                _begin_run(log, agent)
            return
        if session is None or session["closed"] != agent["run"]:
            return
    raise SwarmError(
        f"agent {agent_id} takes no more turns in this run, and has not ended in {END_SECONDS:g} s; the turn waits",
        f"it is taken by the next run: swarmctl cancel {agent_id}; swarmctl restart {agent_id}",
    )


def _begin_run(log: Log, agent: Agent) -> None:
    try:
        spawn.restart(log, agent, reason="turn")
    except NotPossible:
        found = registry.get(log, agent["id"])
        if found is None or found["run"] == agent["run"]:
            raise  # it is not that somebody else was faster
