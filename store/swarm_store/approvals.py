"""Approvals: what agents ask to be allowed, and who has answered.

An answer is given in one transaction that looks first whether there is one, so whoever is first answers, for good.
"""

from __future__ import annotations

from typing import Any

from . import conversation, events, registry
from . import session_events as said
from . import statements as sql
from .clock import microseconds
from .codec import decode
from .conversation import Approval
from .errors import AlreadyAnswered, AnsweredLate, NoSuchApproval, NotPossible, WrongUsage
from .fold import Agent
from .lifecycle import CANCELLED, LIVE
from .log import Log
from .transaction import Transaction

LATE = "nobody has answered in time"


def asked(log: Log, *, agent_id: str | None = None, pending: bool = True) -> list[Approval]:
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
    return len(asked(log))


def resolve(log: Log, word: str) -> Approval:
    """The approval that `word` means: its id, or the start of it. Raises NoSuchApproval, WrongUsage (several)."""
    rows = log.query(sql.APPROVAL, {"id": word})
    if not rows and word and registry.is_text(word):
        ids = [row[0] for row in log.query(sql.APPROVAL_PREFIX, {"prefix": word})]
        if len(ids) > 1:
            raise WrongUsage(f"{word!r} is the start of several approvals: {', '.join(ids)}", "give more of it")
        rows = log.query(sql.APPROVAL, {"id": ids[0]}) if ids else []
    if not rows:
        raise _no_such(word)
    found: Approval = decode(rows[0][0])
    return found


def _no_such(word: str) -> NoSuchApproval:
    return NoSuchApproval(f"no agent has asked for an approval {word!r}", "swarmctl approvals shows what is asked")


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
    known = resolve(log, word)
    with log.transaction(durable=True) as transaction:
        row = transaction.execute(sql.APPROVAL, {"id": known["id"]}).fetchone()
        if row is None:  # its agent was removed while we waited for the lock
            raise _no_such(word)
        check_pending(decode(row[0]), transaction.agent(known["agent"]))
        is_late = is_due(known, log.clock())
        if is_late:
            _answer(transaction, known, granted=False, by=conversation.TIMEOUT, message=LATE)
        elif input is not None and not known["editable"]:
            raise NotPossible(f"approval {known['id']}: this agent cannot be given another input", "leave out --edit")
        else:
            _answer(transaction, known, granted=granted, by=by, always=always, input=input, message=message)
    if is_late and by != conversation.TIMEOUT:
        raise AnsweredLate(f"approval {known['id']} was denied: nobody had answered by {known['until']}")
    return resolve(log, known["id"])


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
    came = conversation.comes_in(agent) if agent else {}
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
    pending = asked(log, agent_id=agent_id)
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
