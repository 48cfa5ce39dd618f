"""What agents use, and the budgets that it counts against: an agent's own, and those of all above it.

Spending is counted in the transaction that says it, so a budget is spent at one place in the log, whoever was first.
"""

from __future__ import annotations

from typing import Any

from . import conversation, events, registry, trees
from . import session_events as said
from . import statements as sql
from .codec import decode
from .driver import sqlite3
from .fold import Agent, whole
from .lifecycle import LIVE
from .log import Log
from .session_projection import stored
from .transaction import Transaction

WARN_AT = 0.8  # of a budget


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


def may_begin(log: Log, agent_id: str) -> str | None:
    """Why no further turn of the agent may be begun, in words: a budget above it is spent. None where it may."""
    agent = registry.get(log, agent_id)
    return None if agent is None else why_spent(log.database, agent)


def why_spent(database: sqlite3.Connection, agent: Agent) -> str | None:
    """The budget that is spent, in words: the agent's own, or that of one above it. None where none is."""
    for one in (agent, *trees.above(database, agent)):
        limit = trees.exhausted(database, one["id"])
        if limit is not None:
            return f"the budget of agent {one['id']} is spent: {limit}"
    return None


def get(log: Log, agent: Agent) -> dict[str, Any]:
    """The budget of the agent's tree: usd (millionths of a dollar) and tokens, None where unlimited, and what is spent.

    `unpriced` of what is spent: how many reports said no cost. `exhausted`: the limit that is spent, if one is.
    """
    cost, tokens, unpriced = log.query(sql.TREE_USAGE, {"id": agent["id"]})[0]
    session = stored(log.database, agent["id"]) or conversation.new(agent["id"])
    most = {"usd": None, "tokens": None} | (session["budget"] or agent["budget"] or {})
    spent = {"usd": cost, "tokens": tokens, "unpriced": unpriced}
    return {"agent": agent["id"], **most, "spent": spent, "exhausted": session["exhausted"]}


def change(log: Log, agent: Agent, *, usd: int | None, tokens: int | None, by: str | None) -> None:
    """Give the tree below `agent` another budget; None is none. What was spent already counts.

    Raises NoSuchAgent.
    """
    with log.transaction(durable=True) as transaction:
        if transaction.agent(agent["id"]) is None:
            raise registry.no_such(agent["id"])
        changed = said.budget_set(agent["id"], usd=usd, tokens=tokens, by=by)
        transaction.append(events.agent_stream(agent["id"]), [changed])
        _mind(transaction, agent)


def mind(transaction: Transaction, agent_id: str) -> None:
    """Say of each budget above what the agent has used, and of its own, that it is nearly spent, or is."""
    agent = transaction.agent(agent_id)
    if agent is not None:
        for one in (whole(agent), *trees.above(transaction.database, whole(agent))):
            _mind(transaction, one)


def _mind(transaction: Transaction, agent: Agent) -> None:
    """Say that a budget is nearly spent, or spent; then all below it stop: sessions after their turns, others now."""
    session = stored(transaction.database, agent["id"]) or conversation.new(agent["id"])
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
