"""The reducer of sessions: what an agent's session and its approvals are, as a fold of session_events. Pure.

The tables `sessions`, `approvals` and `usage` are this, written down as it happens (session_projection.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import session_events as said
from .clock import rfc3339
from .events import Record
from .lifecycle import CANCELLED, LIVE, SPAWNED

Session = dict[str, Any]  # see `new`
Approval = dict[str, Any]  # see `asked`

PENDING, GRANTED, DENIED, VOIDED = "pending", "granted", "denied", "voided"
RULE, POLICY, TIMEOUT = "rule", "policy", "timeout"  # who answers approvals where nobody does
COUNTED = ("input", "output", "cache_read", "cache_write", "reasoning")
# A part of a session's last answer, for lists.
SAID_MOST = 200


def new(agent_id: str) -> Session:
    """A session of which nothing is known."""
    return {
        "agent": agent_id,
        "kind": None,
        "driver": None,
        "session": None,  # the agent's own name for it
        "model": None,
        "version": None,
        "sent": 0,  # turns, in all
        "completed": 0,
        "waiting": [],  # turns that were sent and not begun
        "sent_in": None,  # the run in which the last of all was sent: see _came
        "current": None,  # the turn that was begun and not completed: turn, run, started_at
        "last": None,  # the last that was completed: turn, run, outcome, reason, ..., ended_at
        "interrupt": None,  # the turn that was to be interrupted last
        "closed": None,  # the run that takes no more turns
        "said": None,  # the beginning of the agent's last message
        "pending": [],  # approvals
        "undelivered": [],  # approvals that were answered
        "answered": None,  # the approval that was answered last, where the agent has not been told: id, and as sent_in
        "usage": {},  # model → tokens, cost, unpriced
        "budget": None,  # set after it was spawned: usd, tokens
        "warned": [],  # limits: usd, tokens
        "exhausted": None,  # the limit that is spent
        "quota": None,  # until when the provider takes nothing, and why
    }


def apply(session: Session | None, record: Record) -> Session:
    """The session after one of its events. What a later version says changes nothing."""
    before = session if session is not None else new(str(record.key))
    change = _CHANGES.get(record.type)
    return {**before, **change(before, record)} if change else before


def _turn_sent(session: Session, record: Record) -> Session:
    waiting = [*session["waiting"], record.offset]
    return {"sent": session["sent"] + 1, "waiting": waiting, "sent_in": _came(record)}


def _came(record: Record) -> dict[str, Any]:
    """In which run of the agent something came, and whether that had ended; by no clock, which may be set."""
    return {"run": record.data.get("in_run") or 0, "ended": bool(record.data.get("ended"))}


def _interrupt_requested(session: Session, record: Record) -> Session:
    return {"interrupt": record.data.get("turn")}


def _session_started(session: Session, record: Record) -> Session:
    return {key: record.data.get(key) for key in ("kind", "driver", "session", "model", "version")}


def _session_closed(session: Session, record: Record) -> Session:
    return {"closed": record.data["run"]}


def _turn_started(session: Session, record: Record) -> Session:
    turn = record.data["turn"]
    current = {"turn": turn, "run": record.data["run"], "started_at": rfc3339(record.time)}
    return {"waiting": [one for one in session["waiting"] if one != turn], "current": current, "quota": None}


def _turn_completed(session: Session, record: Record) -> Session:
    kept = ("turn", "run", "outcome", "stop_reason", "reason", "denials", "seconds")
    last = {key: record.data.get(key) for key in kept} | {"ended_at": rfc3339(record.time)}
    waiting = [one for one in session["waiting"] if one != record.data["turn"]]
    return {"current": None, "last": last, "waiting": waiting, "completed": session["completed"] + 1}


def _message(session: Session, record: Record) -> Session:
    return {"said": record.data["text"][:SAID_MOST]} if record.data["role"] == "assistant" else {}


def _usage_reported(session: Session, record: Record) -> Session:
    model = record.data.get("model") or ""
    return {"usage": {**session["usage"], model: added(session["usage"].get(model), record.data)}}


def added(before: dict[str, int] | None, data: dict[str, Any]) -> dict[str, int]:
    """Sums of tokens and cost with another report; `unpriced` counts reports whose cost is not known."""
    sums = dict(before or dict.fromkeys((*COUNTED, "cost", "unpriced"), 0))
    for name in COUNTED:
        sums[name] += data.get(name) or 0
    sums["cost"] += data.get("cost") or 0
    sums["unpriced"] += data.get("cost") is None
    return sums


def _without(session: Session, list: str, approval: str) -> Session:
    return {list: [one for one in session[list] if one != approval]}


def _approval_requested(session: Session, record: Record) -> Session:
    return {"pending": [*session["pending"], record.data["approval"]]}


def _approval_answered(session: Session, record: Record) -> Session:
    approval = record.data["approval"]
    answered = session["answered"]
    if record.data["by"] not in (RULE, POLICY):  # of these whoever asked is told at once
        answered = {"id": approval, **_came(record)}
    undelivered = [*session["undelivered"], approval]
    return {**_without(session, "pending", approval), "undelivered": undelivered, "answered": answered}


def _approval_over(session: Session, record: Record) -> Session:
    approval = record.data["approval"]
    answered = session["answered"] if (session["answered"] or {}).get("id") != approval else None
    over = {**_without(session, "pending", approval), **_without(session, "undelivered", approval)}
    return {**over, "answered": answered}


def _quota_reached(session: Session, record: Record) -> Session:
    return {"quota": {"until": record.data["until"], "reason": record.data["reason"]}}


def _budget_set(session: Session, record: Record) -> Session:
    budget = {"usd": record.data["usd"], "tokens": record.data["tokens"]}
    return {"budget": budget, "warned": [], "exhausted": None}


_CHANGES: dict[str, Callable[[Session, Record], Session]] = {
    said.TURN_SENT: _turn_sent,
    said.INTERRUPT_REQUESTED: _interrupt_requested,
    said.SESSION_STARTED: _session_started,
    said.SESSION_CLOSED: _session_closed,
    said.TURN_STARTED: _turn_started,
    said.TURN_COMPLETED: _turn_completed,
    said.MESSAGE: _message,
    said.USAGE_REPORTED: _usage_reported,
    said.APPROVAL_REQUESTED: _approval_requested,
    said.APPROVAL_GRANTED: _approval_answered,
    said.APPROVAL_DENIED: _approval_answered,
    said.APPROVAL_VOIDED: _approval_over,
    said.APPROVAL_DELIVERED: _approval_over,
    said.QUOTA_REACHED: _quota_reached,
    said.BUDGET_SET: _budget_set,
    said.BUDGET_WARNED: lambda session, record: {"warned": [*session["warned"], record.data["limit"]]},
    said.BUDGET_EXHAUSTED: lambda session, record: {"exhausted": record.data["limit"]},
}


def asked(record: Record) -> Approval:
    """An approval as `approvals --json` shows it, when it is asked for."""
    kept = ("run", "turn", "call", "tool", "title", "input", "options", "deferred", "editable", "until")
    return {
        "id": record.data["approval"],
        "agent": record.key,
        "state": PENDING,
        **{key: record.data.get(key) for key in kept},
        "requested_at": rfc3339(record.time),
        "answered_at": None,
        "by": None,
        "always": False,
        "answer_input": None,
        "message": None,
        "rule": None,
        "reason": None,
        "delivered": False,
    }


def answered(approval: Approval, record: Record) -> Approval:
    """An approval after what was said of it."""
    if record.type == said.APPROVAL_DELIVERED:
        return {**approval, "delivered": True}
    if record.type == said.APPROVAL_VOIDED:
        return {**approval, "state": VOIDED, "reason": record.data["reason"], "answered_at": rfc3339(record.time)}
    kept = {key: record.data.get(key) for key in ("by", "always", "message", "rule")}
    state = GRANTED if record.type == said.APPROVAL_GRANTED else DENIED
    answer = {"state": state, "answer_input": record.data.get("input"), "answered_at": rfc3339(record.time)}
    return {**approval, **kept, **answer}


def comes_in(agent: dict[str, Any]) -> dict[str, Any]:
    """In which of the agent's runs something comes, and whether that is over; a run that is to begin is for it."""
    return {"in_run": agent["run"] - (agent["state"] == SPAWNED), "ended": agent["state"] not in LIVE}


def wants_run(session: Session, agent: dict[str, Any]) -> bool:
    """Whether an ended agent has something to do that no run was begun for: it came in the last one, or after that.

    That is a turn that was sent, or an answer that the turn under way has not been told. So each is started for once,
    however often that fails. What came before somebody cancelled the agent is not.
    """
    if agent["ended_at"] is None:
        return False
    was_cancelled = agent["state"] == CANCELLED and agent["reason"] != "shutdown"
    came = [session["sent_in"] if session["waiting"] else None, session["answered"] if session["current"] else None]
    return any(one and one["run"] >= agent["run"] and (one["ended"] or not was_cancelled) for one in came)


def waits(session: Session) -> int:
    """How many things wait for a run, or for the one that is there: turns, and an answer."""
    return len(session["waiting"]) + (session["current"] is not None and session["answered"] is not None)


def is_open(session: Session) -> bool:
    """Whether something is left to do: a turn that waits, or one that was begun and not completed."""
    return bool(session["waiting"] or session["current"])
