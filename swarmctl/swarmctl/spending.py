"""What sessions have used: tokens and cost, summed over agents, trees, kinds, labels, days and models. Pure.

A cost that is not known is never 0: `unpriced` counts the reports without one, and `cost` is None where none had any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swarm_store.conversation import COUNTED
from swarm_store.fold import Agent

MICROS = 1_000_000  # of a dollar
SUMMED = (*COUNTED, "cost", "unpriced")
GROUPS = ("agent", "kind", "label", "day", "model")

Row = dict[str, Any]  # of budgets.usage: agent, day, model, and SUMMED
Sums = dict[str, int]


def total(rows: Iterable[Row]) -> Sums:
    """The sums of rows."""
    sums = dict.fromkeys(SUMMED, 0)
    for row in rows:
        for name in SUMMED:
            sums[name] += row[name]
    return sums


def by_agent(agents: Iterable[Agent], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Of each agent what it has used itself (`own`), and with all that it has spawned, and those, and so on (`tree`).

    Agents in whose tree nothing was used are left out.
    """
    known = {agent["id"]: agent for agent in agents}
    own = {agent_id: total(some) for agent_id, some in _grouped(rows, lambda row: row["agent"]).items()}
    sums = {agent_id: total(()) for agent_id in known}
    for agent_id in own.keys() & known.keys():
        for one in _with_above(known, agent_id):
            for name in SUMMED:
                sums[one][name] += own[agent_id][name]
    return [
        {
            **{key: agent[key] for key in ("id", "name", "kind", "parent", "labels")},
            "own": shown(own.get(agent_id)),
            "tree": shown(sums[agent_id]),
        }
        for agent_id, agent in known.items()
        if any(sums[agent_id].values())
    ]


def _with_above(known: dict[str, Agent], agent_id: str | None) -> list[str]:
    """The agent, its parent, that one's, and so on, each once: a log that was put together may have circles."""
    line: list[str] = []
    while agent_id in known and agent_id not in line:
        line.append(agent_id)
        agent_id = known[agent_id]["parent"]
    return line


def by_group(
    group: str, agents: Iterable[Agent], rows: Iterable[Row], label: str | None = None
) -> list[dict[str, Any]]:
    """What was used by each kind, day, model, or value of the `label`; agents without it are the group None."""
    known = {agent["id"]: agent for agent in agents}

    def of(row: Row) -> Any:
        if group in ("day", "model"):
            return row[group] or None
        agent = known.get(row["agent"])
        if agent is None:
            return None
        return agent["labels"].get(label) if group == "label" else agent["kind"]

    grouped = _grouped(rows, of)
    return [{group: key, **shown(total(grouped[key]))} for key in sorted(grouped, key=lambda key: (key is None, key))]


def below(agents: Iterable[Agent], ids: Iterable[str]) -> list[Agent]:
    """The agents with these `ids`, and all that they have spawned, and those, and so on."""
    agents = list(agents)
    wanted = set(ids)
    found = len(wanted) - 1
    while len(wanted) > found:
        found = len(wanted)
        wanted |= {agent["id"] for agent in agents if agent["parent"] in wanted}
    return [agent for agent in agents if agent["id"] in wanted]


def shown(sums: Sums | None) -> dict[str, Any]:
    """Sums for programs: `cost` in millionths of a dollar is None where none of it is known."""
    sums = sums or total(())
    return {**sums, "cost": None if sums["unpriced"] and not sums["cost"] else sums["cost"]}


def _grouped(rows: Iterable[Row], of: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(of(row), []).append(row)
    return groups


def dollars(cost: int) -> str:
    """Millionths of a dollar, for people: to a hundredth of a cent, and what is less than that exactly."""
    return f"${cost / MICROS:,.6f}" if 0 < cost < MICROS // 10_000 else f"${cost / MICROS:,.4f}"


def cost_in_words(sums: dict[str, Any]) -> str:
    """A cost of which some, or all, may not be known."""
    if not sums["unpriced"]:
        return dollars(sums["cost"] or 0)
    return f"{dollars(sums['cost'])} and more" if sums["cost"] else "unknown"


def taken_in(sums: dict[str, Any]) -> int:
    """All tokens that a model has read, from its caches too."""
    return int(sums["input"] + sums["cache_read"] + sums["cache_write"])


def in_words(sums: dict[str, Any]) -> str:
    """Tokens and cost in a line."""
    cached = f" ({sums['cache_read']:,} cached)" if sums["cache_read"] else ""
    cost = "cost unknown" if cost_in_words(sums) == "unknown" else cost_in_words(sums)
    return f"{taken_in(sums):,} tokens in{cached}, {sums['output']:,} out, {cost}"
