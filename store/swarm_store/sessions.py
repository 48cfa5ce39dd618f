"""Sessions of agents: the turns that they are asked for, and what their hosts say.

Who asks (send, interrupt, approvals.answer) and who hosts (begin, say, close) meet in transactions alone: each looks,
and appends, under the one write lock, so that a turn is begun once, an approval is answered once, and a run that takes
no more turns has left none behind. The bell of the agent's inbox wakes its host.
"""

from __future__ import annotations

from collections import namedtuple

from . import approvals, budgets, conversation, events, registry
from . import session_events as said
from . import statements as sql
from .codec import decode
from .conversation import Session
from .errors import IllegalTransition, NotPossible
from .events import Event
from .fold import Agent, whole
from .lifecycle import LIVE, SPAWNED, STARTING
from .log import Log
from .session_projection import stored
from .transaction import Producer


class Turn(namedtuple("Turn", ("turn", "text", "again", "by"))):
    """A turn to be taken. `again`: an earlier run had begun it, and it was not completed."""

    __slots__ = ()
    turn: int
    text: str
    again: bool
    by: str | None


# -- what is asked


def get(log: Log, agent_id: str) -> Session | None:
    """The agent's session as it stands; None where nothing has been said of one."""
    row = log.query(sql.SESSION, {"agent_id": agent_id})
    return decode(row[0][0]) if row else None


def sessions(log: Log) -> dict[str, Session]:
    """All sessions, by their agents' ids."""
    return {one["agent"]: one for one in (decode(row[0]) for row in log.query(sql.SESSIONS))}


def is_wanted(log: Log, agent_id: str) -> bool:
    """Whether somebody wants more of the agent: a turn waits, or what it asks can still be answered."""
    session = get(log, agent_id)
    return bool(session and (session["waiting"] or approvals.asked(log, agent_id=agent_id)))


def wanting_runs(log: Log) -> list[Agent]:
    """Ended agents with a turn or an answer for which no run was begun: see conversation.wants_run."""
    rows = ((decode(session), whole(decode(agent))) for session, agent in log.query(sql.SESSIONS_WAITING))
    return [agent for session, agent in rows if conversation.wants_run(session, agent)]


def send(
    log: Log, agent: Agent, text: str, *, by: str | None, producer: Producer | None = None, opening: Event | None = None
) -> int:
    """Ask for another turn, durably; its name. Whoever asks sees to it that a run is there to take it.

    `opening`: the registry's event of a new run for it, in the same transaction. Raises NotPossible where the agent is
    none of a kind, NoSuchAgent, and as registry.publish for `opening`; IllegalTransition too where the turn, which
    `producer` has sent before, has had its run. Then nothing is written.
    """
    _check_kind(agent)
    with log.transaction(durable=True) as transaction:
        found = transaction.agent(agent["id"])
        if found is None:
            raise registry.no_such(agent["id"])
        sent = said.turn_sent(agent["id"], text, by=by, **conversation.comes_in(found))
        appended = transaction.append(events.inbox_stream(agent["id"]), [sent], producer=producer)
        if opening is not None and appended.duplicate:
            raise IllegalTransition(f"agent {agent['id']} has been sent this turn before")
        if opening is not None:
            transaction.append(events.REGISTRY, [opening])
    earlier = sent_by(log, agent["id"], producer) if producer is not None and appended.duplicate else None
    return appended.first if earlier is None else earlier


def sent_by(log: Log, agent_id: str, producer: Producer) -> int | None:
    """The turn that this producer has sent; None where it has sent none. Looks through the agent's inbox."""
    given = {"name": events.inbox_stream(agent_id), "producer": producer.id, "type": said.TURN_SENT}
    rows = log.query(sql.SENT_BY, given)
    return rows[0][0] if rows else None


def interrupt(log: Log, agent: Agent, *, by: str | None) -> int:
    """Ask that the turn which is under way ends; its name. Raises NotPossible where none is, NoSuchAgent."""
    _check_kind(agent)
    with log.transaction(durable=True) as transaction:
        if transaction.agent(agent["id"]) is None:
            raise registry.no_such(agent["id"])
        session = stored(transaction.database, agent["id"]) or conversation.new(agent["id"])
        if session["current"] is None or agent["state"] not in LIVE:
            raise NotPossible(f"agent {agent['id']} has no turn under way", f"swarmctl send {agent['id']} begins one")
        turn: int = session["current"]["turn"]
        asked = said.interrupt_requested(agent["id"], turn, by=by)
        transaction.append(events.inbox_stream(agent["id"]), [asked])
    return turn


def _check_kind(agent: Agent) -> None:
    if agent["kind"] is None:
        raise NotPossible(
            f"agent {agent['id']} is a command and has no turns", "swarmctl spawn --agent KIND starts one that has"
        )


# -- the host


def begin(log: Log, agent_id: str, run: int, *, to_fail: bool = False) -> Turn | None:
    """Begin the turn that is due, and say so; None where none waits, or a budget above is spent by now.

    What was begun and not completed comes first. `to_fail`: a turn that will be failed at once, which costs nothing.
    """
    session = get(log, agent_id) or conversation.new(agent_id)
    again = session["current"] is not None
    if not again and not session["waiting"]:
        return None
    turn: int = session["current"]["turn"] if again else session["waiting"][0]
    sent = log.read(events.inbox_stream(agent_id), start=turn, limit=1)
    text = (sent[0].payload or b"").decode("utf-8", "replace") if sent else ""
    started = [said.turn_started(agent_id, run, turn, again=again)]
    if not again:
        started.append(said.message(agent_id, run, turn, role="user", text=text))
    with log.transaction(durable=True) as transaction:
        agent = None if to_fail else transaction.agent(agent_id)
        if agent is not None and budgets.why_spent(transaction.database, whole(agent)) is not None:
            return None
        transaction.append(events.agent_stream(agent_id), started)
    return Turn(turn, text, again, sent[0].data.get("by") if sent else None)


def alike(log: Log, agent_id: str, turn: Turn) -> int:
    """How many turns just before this one were sent with the same text."""
    count, until = 0, turn.turn
    while page := log.read(events.inbox_stream(agent_id), until=until, types=[said.TURN_SENT], limit=1, backwards=True):
        if (page[0].payload or b"").decode("utf-8", "replace").strip() != turn.text.strip():
            break
        count, until = count + 1, page[0].offset
    return count


def say(log: Log, agent_id: str, *happened: Event, durable: bool = False, producer: Producer | None = None) -> None:
    """Append what happened in the agent's session. What it has used counts against the budgets above it, at once."""
    with log.transaction(durable=durable) as transaction:
        appended = transaction.append(events.agent_stream(agent_id), happened, producer=producer)
        if not appended.duplicate and any(event.type == said.USAGE_REPORTED for event in happened):
            budgets.mind(transaction, agent_id)


def close(log: Log, agent_id: str, run: int, reason: str) -> bool:
    """Take no more turns in this run; False where one waits, and nothing is closed."""
    with log.transaction(durable=True) as transaction:
        session = stored(transaction.database, agent_id) or conversation.new(agent_id)
        if conversation.is_open(session):
            return False
        transaction.append(events.agent_stream(agent_id), [said.session_closed(agent_id, run, reason=reason)])
    return True


def wait(log: Log, agent_id: str, run: int, what: str, until: str | None = None) -> bool:
    """Say that the agent waits: for an approval, a turn, quota. Nothing where it does already, or is not running.

    False where the run is not said to have begun yet: then it is to be said again.
    """
    _move(log, said.agent_waiting(agent_id, run, what=what, until=until))
    agent = registry.get(log, agent_id)
    return agent is None or agent["run"] != run or agent["state"] not in (SPAWNED, STARTING)


def resume(log: Log, agent_id: str, run: int) -> None:
    """Say that it waits no more. Nothing where it does not."""
    _move(log, said.agent_resumed(agent_id, run))


def _move(log: Log, event: Event) -> None:
    try:
        registry.publish(log, event)
    except IllegalTransition:
        return
