"""What sessions have used, found in a log and summed: what `usage` shares with the server."""

from __future__ import annotations

from typing import Any

from swarm_store import budgets, registry
from swarm_store.fold import Agent
from swarm_store.log import Log

from . import spending


def summed(log: Log, named: list[Agent], group: str, label: str | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What was used, by one of spending.GROUPS, and in all: of the trees of those who are named, or of everybody."""
    agents = registry.agents(log, ended=True)
    if named:
        agents = spending.below(agents, [one["id"] for one in named])
    rows = budgets.usage(log, agent_ids={one["id"] for one in agents} if named else None)
    total = spending.shown(spending.total(rows))
    if group == "agent":
        return spending.by_agent(agents, rows), total
    return spending.by_group(group, agents, rows, label), total
