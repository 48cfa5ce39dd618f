"""`swarmctl prune`: forget what ended long ago, and give its space back."""

from __future__ import annotations

from typing import Annotated

import typer

from swarm_daemon import control
from swarm_store import registry
from swarm_store.clock import SECOND, now
from swarm_store.lifecycle import TERMINAL

from .. import home, values
from ..progress import progress
from .options import HELP, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def prune(
    older_than: Annotated[str, typer.Option(metavar="D", help="Ended longer ago than this.")],
) -> None:
    """Delete agents that ended long ago, with their output; prints their ids.

    \b
    Examples:
      swarmctl prune --older-than 7d
    """
    before = now() - int(values.duration(older_than) * SECOND)
    with home.writing() as log:
        old = [
            agent
            for agent in registry.agents(log, ended=True)
            if agent["state"] in TERMINAL and values.moment(agent["ended_at"]) <= before
        ]
        with progress("pruning", len(old)) as advance:
            for agent in old:
                control.forget(log, agent)
                print(agent["id"])
                advance()
        if old:
            log.give_back()
