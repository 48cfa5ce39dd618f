"""What sessions have used, and what trees of agents may use."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

from swarm_store import budgets, registry
from swarm_store.log import Log

from ... import home, spent
from . import models
from .answers import as_json, new_router
from .queries import AgentWord, ShowUsage
from .work import Here

router = new_router("sessions")


@router.get("/usage", response_model=models.Usage)
async def show_usage(here: Here, query: Annotated[ShowUsage, Query()]) -> Response:
    """Tokens and cost: of each agent its own and its tree's, or summed by kind, day (UTC), model or a label's values.

    Where agents are named, it is of their trees alone. A cost that is not known is null, never 0.
    """
    return await here.read(lambda log: as_json(_usage(log, query)))


def _usage(log: Log, query: ShowUsage) -> dict[str, Any]:
    found, total = spent.summed(log, home.resolve_all(log, query.agent), query.by, query.label)
    return {"usage": found, "total": total}


@router.get("/agents/{agent}/budget", response_model=models.Budget)
async def show_budget(here: Here, agent: AgentWord) -> Response:
    """What an agent and all below it may use, and what of that they have used."""
    return await here.read(lambda log: as_json(budgets.get(log, registry.resolve(log, agent))))
