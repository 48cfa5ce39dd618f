"""`swarmctl restart`: a new run of an agent."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any

import typer

from swarm_daemon import spawn
from swarm_store import registry
from swarm_store.lifecycle import LIVE

from .. import elsewhere, home, values
from .cancel import end
from .options import HELP, AgentArgument, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def restart(
    agent: AgentArgument,
    grace: Annotated[
        str | None,
        typer.Option(metavar="D", help="If it lives: between TERM and KILL; by default the agent's own."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Start an agent again, as a new run of the same agent; one that lives is ended first. Prints its id.

    What it is started from, its environment and directory too, is what it was spawned with. Its output goes on in the
    same stream: swarmctl logs --run N shows one run's.

    \b
    Examples:
      swarmctl restart build
      swarmctl restart build --grace 30s && swarmctl logs -f build
    """
    seconds = None if grace is None else values.duration(grace)
    far = elsewhere.far()
    started = _restart(agent, seconds) if far is None else far.restart(agent, seconds)
    print(json_text.dumps(started) if json else started["id"])


def _restart(word: str, grace: float | None) -> dict[str, Any]:
    with home.writing() as log:
        found = registry.resolve(log, word)
        if found["state"] in LIVE:
            end(log, [found], "TERM", grace)
            found = registry.resolve(log, found["id"])
        return {"id": found["id"], "run": found["run"] + 1, **spawn.restart(log, found)}
