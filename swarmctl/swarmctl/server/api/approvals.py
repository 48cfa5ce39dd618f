"""What agents ask to be allowed, and answers to it.

An answer is for tokens that control everything: one of some agents, which an agent may have itself, answers none, not
even its own (../rights.py: no path of these is an agent's own).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response

from swarm_daemon import conversing
from swarm_store import approvals, registry
from swarm_store.log import Log

from ... import asking
from . import bodies, models
from .answers import as_json, new_router, problems
from .queries import ApprovalId, ListApprovals
from .work import Here, by_whom

router = new_router("approvals")


@router.get("/approvals", response_model=models.Approvals)
async def list_approvals(here: Here, query: Annotated[ListApprovals, Query()]) -> Response:
    """What agents ask to be allowed and wait for, in the order asked; with `all` what was answered too."""
    return await here.read(lambda log: as_json(_page(log, query)))


def _page(log: Log, query: ListApprovals) -> dict[str, Any]:
    agent_id = None if query.agent is None else registry.resolve(log, query.agent)["id"]
    found = approvals.asked(log, agent_id=agent_id, pending=not query.all)
    start = int(query.after or 0)
    end = start + query.limit
    return {"approvals": asking.as_shown(log, found[start:end]), "next": str(end) if len(found) > end else None}


@router.get("/approvals/{id}", response_model=models.Approval)
async def show_approval(here: Here, id: ApprovalId) -> Response:
    """One approval, pending or answered."""
    return await here.read(lambda log: as_json(asking.as_shown(log, [approvals.resolve(log, id)])[0]))


@router.post("/approvals/{id}", response_model=models.Approval, responses=problems(409))
async def answer_approval(here: Here, request: Request, id: ApprovalId, body: bodies.AnswerApproval) -> Response:
    """Let an agent do what it asks for, or not. The first answer stands; a second is told who gave it, and when (409).

    So is an answer to what is void, because whoever asked has died: the agent asks again.
    """
    said = body.model_dump(exclude={"by"})
    by = by_whom(request, body.by)
    answered = await here.labour(lambda log: asking.as_shown(log, [conversing.answer(log, id, by=by, **said)])[0])
    return as_json(answered)
