"""What a shell offers where an agent, or an approval, is wanted."""

from __future__ import annotations

import typer

from swarm_store import registry
from swarm_store.fold import Agent

from . import elsewhere, home

MOST = 500


def complete_agent(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids and names that begin so, with what they are; it must never fail."""
    try:
        given = ctx.find_root().params
        elsewhere.choose(given.get("server"), given.get("token"), given.get("token_file"), bool(given.get("insecure")))
        agents = _agents()
    except Exception:
        return []
    words = []
    for agent in agents[-MOST:]:
        what = " ".join([agent["state"], *agent["command"]])[:60]
        words += [(word, what) for word in (agent["name"], agent["id"]) if word and word.startswith(incomplete)]
    return words


def complete_approval(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of pending approvals that begin so, with what they are for; it must never fail."""
    from swarm_store import approvals

    try:
        with home.reading() as log:
            found = approvals.asked(log)
    except Exception:
        return []
    what = ((one["id"], f"{one['agent']} {one['tool']} {one['title']}"[:60]) for one in found)
    return [(word, about) for word, about in what if word.startswith(incomplete)]


def _agents() -> list[Agent]:
    if far := elsewhere.far():
        return far.everybody()
    with home.reading() as log:
        return registry.agents(log, ended=True)
