"""What a shell offers where an agent is wanted."""

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


def _agents() -> list[Agent]:
    if far := elsewhere.far():
        return far.everybody()
    with home.reading() as log:
        return registry.agents(log, ended=True)
