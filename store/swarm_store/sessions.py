"""Sessions of agents: what is asked of them, what their hosts say, what they ask to be allowed, what they use.

Who asks (send, interrupt, answer) and who hosts (begin, say, close) meet in these transactions alone: each looks, and
appends, under the one write lock, so that a turn is begun once, an approval is answered once, and a run that takes no
more turns has left none behind. The bell of the agent's inbox wakes its host.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from . import conversation, events, registry, trees
from . import session_events as said
from . import statements as sql
from .clock import microseconds
from .codec import decode
from .conversation import Approval, Session
from .errors import AlreadyAnswered, AnsweredLate, IllegalTransition, NoSuchApproval, NotPossible, WrongUsage
from .events import Event
from .fold import Agent, whole
from .lifecycle import CANCELLED, LIVE, SPAWNED, STARTING
from .log import Log
from .transaction import Producer, Transaction

WARN_AT = 0.8  # of a budget
LATE = "nobody has answered in time"


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
    return bool(session and (session["waiting"] or approvals(log, agent_id=agent_id)))


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
        sent = said.turn_sent(agent["id"], text, by=by, **_came(found))
        appended = transaction.append(events.inbox_stream(agent["id"]), [sent], producer=producer)
        if opening is not None and appended.duplicate:
            raise IllegalTransition(f"agent {agent['id']} has been sent this turn before")
        if opening is not None:
            transaction.append(events.REGISTRY, [opening])
    earlier = sent_by(log, agent["id"], producer) if producer is not None and appended.duplicate else None
    return appended.first if earlier is None else earlier


def _came(agent: Agent) -> dict[str, Any]:
    """In which of the agent's runs something comes, and whether that is over; a run that is to begin is for it."""
    return {"in_run": agent["run"] - (agent["state"] == SPAWNED), "ended": agent["state"] not in LIVE}


def sent_by(log: Log, agent_id: str, producer: Producer) -> int | None:
    """The turn that this producer has sent; None where it has sent none. Looks through the agent's inbox."""
    given = {"name": events.inbox_stream(agent_id), "producer": producer.id, "type": said.TURN_SENT}
    rows = log.query(sql.SENT_BY, given)
    return rows[0][0] if rows else None


def interrupt(log: Log, agent: Agent, *, by: str | None) -> int:
    """Ask that the turn which is under way ends; its name. Raises NotPossible where none is."""
    _check_kind(agent)
    with log.transaction(durable=True) as transaction:
        session = _session(transaction, agent["id"])
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


# -- approvals


def approvals(log: Log, *, agent_id: str | None = None, pending: bool = True) -> list[Approval]:
    """What agents, or one of them, ask to be allowed, in the order asked; the answered too unless `pending`."""
    if agent_id is not None:
        rows = log.query(sql.APPROVALS_OF, {"agent_id": agent_id})
    else:
        rows = log.query(sql.APPROVALS_PENDING if pending else sql.APPROVALS)
    found: list[Approval] = [decode(row[0]) for row in rows]
    if not pending:
        return found
    asked = [one for one in found if one["state"] == conversation.PENDING]
    agents = {one["agent"]: registry.get(log, one["agent"]) for one in asked}
    return [one for one in asked if why_void(one, agents[one["agent"]]) is None]


def pending(log: Log) -> int:
    """How many approvals wait for an answer."""
    return len(approvals(log))


def approval(log: Log, word: str) -> Approval:
    """The approval that `word` means: its id, or the start of it. Raises NoSuchApproval, WrongUsage (several)."""
    rows = log.query(sql.APPROVAL, {"id": word})
    if not rows and word and registry.is_text(word):
        ids = [row[0] for row in log.query(sql.APPROVAL_PREFIX, {"prefix": word})]
        if len(ids) > 1:
            raise WrongUsage(f"{word!r} is the start of several approvals: {', '.join(ids)}", "give more of it")
        rows = log.query(sql.APPROVAL, {"id": ids[0]}) if ids else []
    if not rows:
        raise NoSuchApproval(f"no agent has asked for an approval {word!r}", "swarmctl approvals shows what is asked")
    found: Approval = decode(rows[0][0])
    return found


def answer(
    log: Log,
    word: str,
    *,
    granted: bool,
    by: str | None,
    always: bool = False,
    input: dict[str, Any] | None = None,
    message: str | None = None,
) -> Approval:
    """Answer an approval, for good: whoever is first. `input`: to be done with that instead.

    Raises NoSuchApproval, AlreadyAnswered (or void), NotPossible where the agent cannot take another input, and
    AnsweredLate where its time is over and nobody was there to say so: then it is denied.
    """
    known = approval(log, word)
    with log.transaction(durable=True) as transaction:
        row = transaction.execute(sql.APPROVAL, {"id": known["id"]}).fetchone()
        check_pending(decode(row[0]) if row else known, transaction.agent(known["agent"]))
        is_late = is_due(known, log.clock())
        if is_late:
            _answer(transaction, known, granted=False, by=conversation.TIMEOUT, message=LATE)
        elif input is not None and not known["editable"]:
            raise NotPossible(f"approval {known['id']}: this agent cannot be given another input", "leave out --edit")
        else:
            _answer(transaction, known, granted=granted, by=by, always=always, input=input, message=message)
    if is_late and by != conversation.TIMEOUT:
        raise AnsweredLate(f"approval {known['id']} was denied: nobody had answered by {known['until']}")
    return approval(log, known["id"])


def _answer(
    transaction: Transaction,
    asked: Approval,
    *,
    granted: bool,
    by: str | None,
    always: bool = False,
    input: dict[str, Any] | None = None,
    message: str | None = None,
) -> None:
    agent_id, agent = asked["agent"], transaction.agent(asked["agent"])
    came = _came(agent) if agent else {}
    which = (agent_id, asked["run"], asked["id"])
    if granted:
        answered = said.approval_granted(*which, by=by, always=always, input=input, **came)
    else:
        answered = said.approval_denied(*which, by=by, always=always, message=message, **came)
    rest = {"always": always, "input": input, "message": message}
    told = said.approval_answered(agent_id, asked["id"], granted=granted, by=by, **rest)
    transaction.append(events.agent_stream(agent_id), [answered])
    transaction.append(events.inbox_stream(agent_id), [told])


def is_due(asked: Approval, now: int) -> bool:
    """Whether the time to answer it is over, at `now` (microseconds)."""
    return asked["until"] is not None and now >= microseconds(asked["until"])


def deny_late(log: Log, approval_id: str) -> bool:
    """Deny an approval whose time is over; whether that was still to be done. Raises NoSuchApproval."""
    try:
        answer(log, approval_id, granted=False, by=conversation.TIMEOUT, message=LATE)
    except AlreadyAnswered:
        return False
    return True


def due(log: Log, agent_id: str) -> dict[str, int]:
    """The approvals that nobody has answered yet, with when the time for that is over (microseconds), if ever."""
    pending = approvals(log, agent_id=agent_id)
    return {one["id"]: microseconds(one["until"]) for one in pending if one["until"] is not None}


def check_pending(asked: Approval, agent: Agent | None) -> None:
    """Raises AlreadyAnswered where an approval is not pending (any more), or nobody is there to be answered."""
    again = "if it is still wanted, the agent asks again: swarmctl approvals"
    if asked["state"] == conversation.VOIDED:
        raise AlreadyAnswered(f"approval {asked['id']} is void since {asked['answered_at']}: {asked['reason']}", again)
    if asked["state"] == conversation.PENDING and (why := why_void(asked, agent)) is not None:
        raise AlreadyAnswered(f"approval {asked['id']} is void: {why}", again)
    if asked["state"] != conversation.PENDING:
        who = asked["by"] or "somebody"
        raise AlreadyAnswered(f"approval {asked['id']} was {asked['state']} by {who} at {asked['answered_at']}")


def why_void(asked: Approval, agent: Agent | None) -> str | None:
    """Why an answer to a pending approval can reach nobody; None where it can.

    A deferred one outlives who asked, unless that was cancelled. The next run says of it that it is void.
    """
    if agent is None or agent["state"] in LIVE:
        return None
    was_cancelled = agent["state"] == CANCELLED and agent["reason"] != "shutdown"
    if asked["deferred"] and not was_cancelled:
        return None
    return f"agent {asked['agent']}, who asked, is {agent['state']}"


# -- the host


def _session(transaction: Transaction, agent_id: str) -> Session:
    row = transaction.execute(sql.SESSION, {"agent_id": agent_id}).fetchone()
    return decode(row[0]) if row else conversation.new(agent_id)


def begin(log: Log, agent_id: str, run: int) -> Turn | None:
    """Begin the turn that is due, and say so; None where none waits. What was begun and not completed comes first."""
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
    say(log, agent_id, *started, durable=True)
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
            _mind_budgets(transaction, agent_id)


def close(log: Log, agent_id: str, run: int, reason: str) -> bool:
    """Take no more turns in this run; False where one waits, and nothing is closed."""
    with log.transaction(durable=True) as transaction:
        session = _session(transaction, agent_id)
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


# -- money


def usage(log: Log, *, agent_ids: set[str] | None = None) -> list[dict[str, Any]]:
    """What was used, by agent, day (UTC) and model; cost in millionths of a dollar.

    `unpriced` is how many reports said no cost: it is unknown then, not nothing.
    """
    names = ("agent", "day", "model", *conversation.COUNTED, "cost", "unpriced")
    rows = (dict(zip(names, row, strict=True)) for row in log.query(sql.USAGE))
    return [row for row in rows if agent_ids is None or row["agent"] in agent_ids]


def used(log: Log) -> dict[str, int]:
    """What all agents that are in the log have used: tokens, cost in millionths of a dollar, unpriced reports."""
    return dict(zip((*conversation.COUNTED, "cost", "unpriced"), log.query(sql.USED)[0], strict=True))


def tree(log: Log, agent_id: str) -> list[Agent]:
    """The agent and all below it, in the order they were spawned."""
    return [whole(decode(row[0])) for row in log.query(sql.TREE, {"id": agent_id})]


def may_begin(log: Log, agent_id: str) -> str | None:
    """Why no further turn of the agent may be begun, in words: a budget above it is spent. None where it may."""
    agent = registry.get(log, agent_id)
    if agent is None:
        return None
    for one in (agent, *trees.above(log.database, agent)):
        limit = trees.exhausted(log.database, one["id"])
        if limit is not None:
            return f"the budget of agent {one['id']} is spent: {limit}"
    return None


def budget(log: Log, agent: Agent) -> dict[str, Any]:
    """The budget of the agent's tree: usd (millionths of a dollar) and tokens, None where unlimited, and what is spent.

    `unpriced` of what is spent: how many reports said no cost. `exhausted`: the limit that is spent, if one is.
    """
    session = get(log, agent["id"]) or conversation.new(agent["id"])
    most = {"usd": None, "tokens": None} | (session["budget"] or agent["budget"] or {})
    cost, tokens, unpriced = log.query(sql.TREE_USAGE, {"id": agent["id"]})[0]
    spent = {"usd": cost, "tokens": tokens, "unpriced": unpriced}
    return {"agent": agent["id"], **most, "spent": spent, "exhausted": session["exhausted"]}


def set_budget(log: Log, agent: Agent, *, usd: int | None, tokens: int | None, by: str | None) -> None:
    """Give the tree below `agent` another budget; None is none. What was spent already counts."""
    with log.transaction(durable=True) as transaction:
        changed = said.budget_set(agent["id"], usd=usd, tokens=tokens, by=by)
        transaction.append(events.agent_stream(agent["id"]), [changed])
        _mind_budget(transaction, agent)


def _mind_budgets(transaction: Transaction, agent_id: str) -> None:
    agent = transaction.agent(agent_id)
    if agent is not None:
        for one in (whole(agent), *trees.above(transaction.database, whole(agent))):
            _mind_budget(transaction, one)


def _mind_budget(transaction: Transaction, agent: Agent) -> None:
    """Say that a budget is nearly spent, or spent; then all below it stop: sessions after their turns, others now."""
    session = _session(transaction, agent["id"])
    budget = session["budget"] or agent["budget"] or {}
    if session["exhausted"] or all(most is None for most in budget.values()):
        return
    cost, tokens, _ = transaction.execute(sql.TREE_USAGE, {"id": agent["id"]}).fetchone()
    for limit, spent in (("usd", cost), ("tokens", tokens)):
        most = budget.get(limit)
        if most is None or spent < most * WARN_AT or (spent < most and limit in session["warned"]):
            continue
        type = said.BUDGET_EXHAUSTED if spent >= most else said.BUDGET_WARNED
        happened = said.budget_event(type, agent["id"], limit=limit, spent=spent, budget=most)
        transaction.append(events.agent_stream(agent["id"]), [happened])
        if type == said.BUDGET_EXHAUSTED:
            _stop_tree(transaction, agent["id"], f"the budget of agent {agent['id']} is spent: {limit}")
            return


def _stop_tree(transaction: Transaction, agent_id: str, reason: str) -> None:
    for row in transaction.execute(sql.TREE, {"id": agent_id}).fetchall():
        one = whole(decode(row[0]))
        if one["state"] not in LIVE:
            continue
        if one["kind"] is None:
            asked = events.cancel_requested(one["id"], one["run"], signal="TERM", grace=None)
        else:
            asked = said.session_stopped(one["id"], reason=reason)
        transaction.append(events.inbox_stream(one["id"]), [asked])
