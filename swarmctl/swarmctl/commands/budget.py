"""`swarmctl budget`: what an agent and all below it may use."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from swarm_daemon import tree
from swarm_store import budgets, registry
from swarm_store.errors import TreeRefused
from swarm_store.fold import Agent
from swarm_store.log import Log

from .. import elsewhere, home, render, values
from ..spending import dollars
from ..who import user_at_host
from .options import HELP, AgentArgument, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def budget(
    agent: AgentArgument,
    usd: Annotated[str | None, typer.Option(metavar="USD|none", help="The tree may cost so much.")] = None,
    tokens: Annotated[str | None, typer.Option(metavar="N|none", help="The tree may use so many tokens.")] = None,
    json: JsonOption = False,
) -> None:
    """Show or change what an agent and all below it may use.

    What was used already counts. Where the budget is more than that, turns may be begun again: swarmctl send, restart.
    No agent may change the one that holds for it.

    \b
    Examples:
      swarmctl budget review
      swarmctl budget review --usd 20
      swarmctl budget review --usd none --tokens 5M
    """
    elsewhere.only_here("swarmctl budget")
    if usd is None and tokens is None:
        with home.reading() as log:
            (found,) = home.resolve_all(log, [agent])
            _show(log, found, json)
        return
    with home.writing() as log:
        (found,) = home.resolve_all(log, [agent])
        _check_asked_from_above(log, found)
        now = budgets.get(log, found)
        wanted = {
            "usd": now["usd"] if usd is None else None if usd == "none" else values.dollars(usd),
            "tokens": now["tokens"] if tokens is None else None if tokens == "none" else values.tokens(tokens),
        }
        budgets.change(log, found, **wanted, by=user_at_host())
        _show(log, found, json)


def _check_asked_from_above(log: Log, agent: Agent) -> None:
    """Raises TreeRefused where an agent asks for which this budget holds."""
    who = tree.agent_of(os.environ)
    if who is not None and any(one["id"] == who for one in registry.tree(log, agent["id"])):
        raise TreeRefused(
            f"the budget of agent {agent['id']} holds for agent {who}, who asks", "somebody above it can change it"
        )


def _show(log: Log, agent: Agent, json: bool) -> None:
    stands = budgets.get(log, agent)
    if json:
        print(render.as_json(stands))
        return
    for limit, shown in (("usd", dollars), ("tokens", "{:,}".format)):
        most = "no limit" if stands[limit] is None else shown(stands[limit])
        print(f"{limit:<7} {shown(stands['spent'][limit])} of {most}{_note(stands, limit)}")


def _note(stands: dict[str, Any], limit: str) -> str:
    if stands["exhausted"] == limit:
        return ", which is spent: no further turn is begun"
    unknown = stands["spent"]["unpriced"] if limit == "usd" else 0
    return f", and what {unknown} reports cost is not known" if unknown else ""
