"""The vocabulary of sessions: what an agent of a kind says and is told, each with its constructor. Beside events.py.

`agents/<id>` has what the agent does, `inbox/<id>` what is asked of it; all carry the agent as `key`, so that its
history is read without its output. A turn is one prompt and all that the agent does for it; its name is the offset of
its `turn:sent` in the inbox, which outlives runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .events import AGENT_RESUMED, AGENT_WAITING, Event

Data = dict[str, Any]

# inbox/<id>: what somebody asks of a session.
TURN_SENT = "turn:sent"
INTERRUPT_REQUESTED = "interrupt:requested"
APPROVAL_ANSWERED = "approval:answered"
SESSION_STOPPED = "session:stopped"

# agents/<id>: what its host says of it.
SESSION_STARTED = "session:started"
SESSION_CLOSED = "session:closed"
TURN_STARTED = "turn:started"
TURN_COMPLETED = "turn:completed"
MESSAGE = "message"
TOOL_CALLED = "tool:called"
TOOL_FINISHED = "tool:finished"
USAGE_REPORTED = "usage:reported"
APPROVAL_REQUESTED = "approval:requested"
APPROVAL_GRANTED = "approval:granted"
APPROVAL_DENIED = "approval:denied"
APPROVAL_VOIDED = "approval:voided"
APPROVAL_DELIVERED = "approval:delivered"
QUOTA_REACHED = "quota:reached"
BUDGET_WARNED = "budget:warned"
BUDGET_EXHAUSTED = "budget:exhausted"
BUDGET_SET = "budget:set"

# How a turn can end. Only the first is success.
COMPLETED = "completed"
DENIED = "denied"  # it ended well, but something that the agent wanted was denied
FAILED = "failed"
REFUSED = "refused"  # by the model
INTERRUPTED = "interrupted"
LIMITED = "limited"  # by a budget, or the most turns or tokens that the agent may take
OUTCOMES = (COMPLETED, DENIED, FAILED, REFUSED, INTERRUPTED, LIMITED)

INBOX_TYPES = (TURN_SENT, INTERRUPT_REQUESTED, APPROVAL_ANSWERED, SESSION_STOPPED)
# What is read as the conversation; and all that the tables of sessions are folded from.
CONVERSATION_TYPES = (
    *(SESSION_STARTED, SESSION_CLOSED, TURN_STARTED, TURN_COMPLETED, MESSAGE, TOOL_CALLED, TOOL_FINISHED),
    *(USAGE_REPORTED, APPROVAL_REQUESTED, APPROVAL_GRANTED, APPROVAL_DENIED, APPROVAL_VOIDED, APPROVAL_DELIVERED),
    *(QUOTA_REACHED, BUDGET_WARNED, BUDGET_EXHAUSTED, BUDGET_SET),
)
SESSION_TYPES = frozenset(INBOX_TYPES + CONVERSATION_TYPES)

OUTPUT_MOST = 64 * 1024  # bytes of a tool's output that are kept, as UTF-8


def turn_sent(agent_id: str, text: str, *, by: str | None, in_run: int = 0, ended: bool = False) -> Event:
    """Somebody wants another turn of the agent, after all that were sent before.

    `in_run`: the agent's run then, 0 before it had one; `ended`: whether that was over.
    """
    data = {"by": by, "in_run": in_run, "ended": ended}
    return Event(TURN_SENT, data, agent_id, text.encode("utf-8", "surrogateescape"))


def interrupt_requested(agent_id: str, turn: int, *, by: str | None) -> Event:
    """The turn that is under way is to end; the session stays."""
    return Event(INTERRUPT_REQUESTED, {"turn": turn, "by": by}, agent_id, None)


def approval_answered(agent_id: str, approval: str, *, granted: bool, by: str | None, **said: Any) -> Event:
    """What somebody has decided, for the agent's host. `said`: always, input, message."""
    return Event(APPROVAL_ANSWERED, {"approval": approval, "granted": granted, "by": by, **said}, agent_id, None)


def session_stopped(agent_id: str, *, reason: str) -> Event:
    """No further turn is to be begun: a budget is spent."""
    return Event(SESSION_STOPPED, {"reason": reason}, agent_id, None)


def session_started(
    agent_id: str,
    run: int,
    *,
    session: str,
    kind: str,
    driver: str,
    model: str | None,
    version: str | None,
    resumed: bool,
) -> Event:
    """The agent's process is there and has a session: a new one, or one that goes on."""
    data = {"run": run, "session": session, "kind": kind, "driver": driver, "model": model}
    return Event(SESSION_STARTED, {**data, "version": version, "resumed": resumed}, agent_id, None)


def session_closed(agent_id: str, run: int, *, reason: str) -> Event:
    """This run takes no more turns: what is sent from now on is for the next."""
    return Event(SESSION_CLOSED, {"run": run, "reason": reason}, agent_id, None)


def turn_started(agent_id: str, run: int, turn: int, *, again: bool) -> Event:
    """The turn is handed to the agent. `again`: an earlier run had begun it, and did not complete it."""
    return Event(TURN_STARTED, {"run": run, "turn": turn, "again": again}, agent_id, None)


def turn_completed(
    agent_id: str,
    run: int,
    turn: int,
    *,
    outcome: str,
    stop_reason: str | None,
    reason: str | None,
    denials: int,
    seconds: float,
) -> Event:
    """The turn is over, and never repeated. `stop_reason`: the agent's own word; `reason`: why it is no success."""
    data = {"run": run, "turn": turn, "outcome": outcome, "stop_reason": stop_reason, "reason": reason}
    return Event(TURN_COMPLETED, {**data, "denials": denials, "seconds": seconds}, agent_id, None)


def message(agent_id: str, run: int, turn: int | None, *, role: str, text: str) -> Event:
    """What was said, whole. `role`: user, assistant, thought, notice."""
    return Event(MESSAGE, {"run": run, "turn": turn, "role": role, "text": text}, agent_id, None)


def tool_called(agent_id: str, run: int, turn: int | None, *, call: str, name: str, title: str, input: Data) -> Event:
    """The agent uses a tool; `call` is its name for this use."""
    data = {"run": run, "turn": turn, "call": call, "name": name, "title": title, "input": input}
    return Event(TOOL_CALLED, data, agent_id, None)


def tool_finished(agent_id: str, run: int, turn: int | None, *, call: str, status: str, output: str) -> Event:
    """A use of a tool is over. `status`: completed, failed, denied, interrupted; `output` is cut at OUTPUT_MOST."""
    data = {"run": run, "turn": turn, "call": call, "status": status, "output": cut(output)}
    return Event(TOOL_FINISHED, data, agent_id, None)


def usage_reported(
    agent_id: str,
    run: int,
    turn: int | None,
    *,
    model: str | None,
    input: int = 0,
    output: int = 0,
    cache_read: int = 0,
    cache_write: int = 0,
    reasoning: int = 0,
    cost: int | None = None,
) -> Event:
    """Tokens since the last report. `input` is without what the caches counted; `reasoning` is a part of `output`.

    `cost`: millionths of a dollar; null where it is not known.
    """
    counted = {"input": input, "output": output, "cache_read": cache_read, "cache_write": cache_write}
    data = {"run": run, "turn": turn, "model": model, **counted, "reasoning": reasoning, "cost": cost}
    return Event(USAGE_REPORTED, data, agent_id, None)


def approval_requested(
    agent_id: str,
    run: int,
    turn: int | None,
    *,
    approval: str,
    call: str,
    tool: str,
    title: str,
    input: Data,
    options: Sequence[Data],
    deferred: bool,
    editable: bool,
    until: str | None,
) -> Event:
    """The agent asks to be allowed something.

    `deferred`: nobody holds the question, and an answer is good after any death; `editable`: an answer may change the
    input; `until`: when it is denied without one.
    """
    asked = {"approval": approval, "call": call, "tool": tool, "title": title, "input": input, "options": list(options)}
    said = {"deferred": deferred, "editable": editable, "until": until}
    return Event(APPROVAL_REQUESTED, {"run": run, "turn": turn, **asked, **said}, agent_id, None)


def approval_granted(
    agent_id: str,
    run: int,
    approval: str,
    *,
    by: str | None,
    always: bool = False,
    input: Data | None = None,
    rule: str | None = None,
    in_run: int = 0,
    ended: bool = False,
) -> Event:
    """It may. `by`: rule, policy, or who; `input`: what it is to be done with instead; `always`: and the like of it.

    `run` is the one that asked, `in_run` and `ended` are as turn_sent has them.
    """
    data = {"run": run, "approval": approval, "by": by, "always": always, "input": input, "rule": rule}
    return Event(APPROVAL_GRANTED, data | {"in_run": in_run, "ended": ended}, agent_id, None)


def approval_denied(
    agent_id: str,
    run: int,
    approval: str,
    *,
    by: str | None,
    always: bool = False,
    message: str | None = None,
    rule: str | None = None,
    in_run: int = 0,
    ended: bool = False,
) -> Event:
    """It may not. `by`: rule, policy, timeout, or who; `message`: what the agent is told. Else as approval_granted."""
    data = {"run": run, "approval": approval, "by": by, "always": always, "message": message, "rule": rule}
    return Event(APPROVAL_DENIED, data | {"in_run": in_run, "ended": ended}, agent_id, None)


def approval_voided(agent_id: str, run: int, approval: str, *, reason: str) -> Event:
    """Whoever asked is dead, or asks no more: no answer can reach it."""
    return Event(APPROVAL_VOIDED, {"run": run, "approval": approval, "reason": reason}, agent_id, None)


def approval_delivered(agent_id: str, run: int, approval: str) -> Event:
    """The agent has the answer."""
    return Event(APPROVAL_DELIVERED, {"run": run, "approval": approval}, agent_id, None)


def quota_reached(agent_id: str, run: int, turn: int | None, *, until: str | None, reason: str) -> Event:
    """The provider takes no more requests `until` then, as far as it says."""
    return Event(QUOTA_REACHED, {"run": run, "turn": turn, "until": until, "reason": reason}, agent_id, None)


def budget_event(type: str, agent_id: str, *, limit: str, spent: int, budget: int) -> Event:
    """A tree has used 80 % of its budget (BUDGET_WARNED), or all (BUDGET_EXHAUSTED).

    `limit`: usd, in millionths of a dollar, or tokens. It stands in the stream of the agent whose budget it is.
    """
    return Event(type, {"limit": limit, "spent": spent, "budget": budget}, agent_id, None)


def budget_set(agent_id: str, *, usd: int | None, tokens: int | None, by: str | None) -> Event:
    """The tree's budget is another from now on; null is none. `usd`: millionths of a dollar."""
    return Event(BUDGET_SET, {"usd": usd, "tokens": tokens, "by": by}, agent_id, None)


def agent_waiting(agent_id: str, run: int, *, what: str, until: str | None) -> Event:
    """The agent does nothing until somebody does. `what`: approval, turn, quota."""
    return Event(AGENT_WAITING, {"run": run, "for": what, "until": until}, agent_id, None)


def agent_resumed(agent_id: str, run: int) -> Event:
    """What the agent waited for has come."""
    return Event(AGENT_RESUMED, {"run": run}, agent_id, None)


def cut(text: str, most: int = OUTPUT_MOST) -> str:
    """`text`, or its beginning and its end with what was left out between, where it has more bytes than `most`."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= most:
        return text
    half = (most - 64) // 2
    head, tail = raw[:half].decode("utf-8", "ignore"), raw[-half:].decode("utf-8", "ignore")
    return f"{head}\n... {len(raw) - 2 * half} bytes left out ...\n{tail}"
