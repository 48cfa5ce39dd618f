"""Trees of agents, in the transaction that changes one: how deep and how many, and what is left of budgets.

A cap or a budget stands at an agent and holds for it with all below it, whoever of them spawns or spends.
"""

from __future__ import annotations

from . import statements as sql
from .codec import decode
from .errors import NoRoom, NotPossible, TooDeep, TreeRefused
from .fold import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .driver import sqlite3
    from .fold import Agent

MOST_CHILDREN = 200  # living at a time below an agent that nobody has given a cap
ROOM = "wait for some to end; --max-children is said when the topmost is spawned"


def above(database: sqlite3.Connection, agent: Agent) -> Iterator[Agent]:
    """The agent's parent, that one's, and so on, as far as they are in this log."""
    seen = {agent["id"]}
    while (parent := agent["parent"]) is not None and parent not in seen:
        row = database.execute(sql.AGENT, {"id": parent}).fetchone()
        if row is None:
            return
        agent = whole(decode(row[0]))
        seen.add(parent)
        yield agent


def check_tree(database: sqlite3.Connection, agent: Agent) -> None:
    """Whether an agent may be spawned below its parent. Raises TooDeep, and TreeRefused: too many, or a spent budget.

    What a process says of its depth is not asked: the log knows who is whose.
    """
    ancestors = list(above(database, agent))
    for depth, ancestor in enumerate(ancestors, 1):
        caps = ancestor["caps"] or {}
        if caps.get("depth") is not None and depth > caps["depth"]:
            raise TooDeep(
                f"agents below {ancestor['id']} may be {caps['depth']} deep, and this would be {depth}",
                "it was spawned with --max-depth",
            )
        _check_budget(database, ancestor)
    why_full = _why_full(database, ancestors)
    if why_full is not None:
        raise TreeRefused(why_full, ROOM)


def _why_full(database: sqlite3.Connection, ancestors: list[Agent]) -> str | None:
    """Why no more agents may live below one of these, in words; None where they may."""
    for ancestor in ancestors:
        most = (ancestor["caps"] or {}).get("children")
        if most is None and ancestor is ancestors[-1]:
            most = MOST_CHILDREN
        if most is not None and (living := _living_below(database, ancestor["id"])) >= most:
            return f"{living} agents live below {ancestor['id']}, and {most} is the most"
    return None


def _check_budget(database: sqlite3.Connection, ancestor: Agent) -> None:
    spent = exhausted(database, ancestor["id"])
    if spent is not None:
        raise TreeRefused(
            f"the budget of agent {ancestor['id']} is spent: {spent}", f"swarmctl budget {ancestor['id']}"
        )


def exhausted(database: sqlite3.Connection, agent_id: str) -> str | None:
    """Which limit of the agent's own budget is spent: usd, tokens."""
    row = database.execute(sql.SESSION, {"agent_id": agent_id}).fetchone()
    spent: str | None = decode(row[0])["exhausted"] if row else None
    return spent


def check_restart(database: sqlite3.Connection, agent: Agent) -> None:
    """Whether an ended agent may be started again. Raises NoRoom where its tree is full by now.

    And NotPossible where a budget is spent that has stopped a command; a session begins no turn then, and says so.
    """
    ancestors = list(above(database, agent))
    for one in (agent, *ancestors) if agent["kind"] is None else ():
        spent = exhausted(database, one["id"])
        if spent is not None:
            raise NotPossible(f"the budget of agent {one['id']} is spent: {spent}", f"swarmctl budget {one['id']}")
    why_full = _why_full(database, ancestors)
    if why_full is not None:
        raise NoRoom(why_full, ROOM)


def check_removal(database: sqlite3.Connection, agent: Agent) -> None:
    """Whether an ended agent may be forgotten. Raises NotPossible where a budget or a cap would hold no more.

    Its own go with it, what it has used counts no more above it, and those below it would be in no tree.
    """
    if (_has_budget(database, agent) or _has_caps(agent)) and _living_below(database, agent["id"]):
        why = f"agents below agent {agent['id']} live, and its budget or caps hold for them"
        raise NotPossible(why, "remove it once they have ended")
    for ancestor in above(database, agent):
        if _has_budget(database, ancestor):
            why = f"what agent {agent['id']} has used counts against the budget of agent {ancestor['id']}"
        elif _has_caps(ancestor) and _living_below(database, agent["id"]):
            why = f"agents below agent {agent['id']} live, and count against the caps of agent {ancestor['id']}"
        else:
            continue
        raise NotPossible(why, f"remove that first, once it has ended: swarmctl rm {ancestor['id']}")


def _has_budget(database: sqlite3.Connection, agent: Agent) -> bool:
    row = database.execute(sql.SESSION, {"agent_id": agent["id"]}).fetchone()
    budget: dict[str, int | None] = (decode(row[0])["budget"] if row else None) or agent["budget"] or {}
    return any(most is not None for most in budget.values())


def _has_caps(agent: Agent) -> bool:
    return any(most is not None for most in (agent["caps"] or {}).values())


def _living_below(database: sqlite3.Connection, agent_id: str) -> int:
    count: int = database.execute(sql.LIVING_BELOW, {"id": agent_id}).fetchone()[0]
    return count
