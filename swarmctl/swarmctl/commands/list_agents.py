"""`swarmctl list`: what lives, and with --all what has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from swarm_store import lifecycle
from swarm_store.fold import Agent
from swarm_store.opening import NoLog

from .. import elsewhere, home, render
from ..agents import Wanted, check_states, listed
from .options import HELP, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def list_agents(
    all: Annotated[bool, typer.Option("-a", "--all", help="The ended ones too.")] = False,
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only those in this state; may be repeated.", autocompletion=lambda: list(lifecycle.STATES)),
    ] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="K[=V]", help="Only those with this label.")] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="POSITION|TIME", help="As it was then: a position in the log, or a time."),
    ] = None,
    json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the ids.")] = False,
) -> None:
    """List agents.

    The state is what the log says; "lost?" is one whose daemon is provably dead, "silent" one that has written
    nothing for longer than its --silence.

    \b
    Examples:
      swarmctl list
      swarmctl list --all --state failed --label team=web
      swarmctl list --at 10m --json | jq -r '.[].id'
    """
    wanted = Wanted(all, check_states(state), tuple(label or ()))
    far = elsewhere.far()
    agents = _listed(wanted, at) if far is None else far.agents(wanted, at)
    if quiet:
        for agent in agents:
            print(agent["id"])
        return
    if json:
        print(render.as_json(agents))
    else:
        render.table(agents)
    if at is None:
        (far or home).hint_lost(agents)


def _listed(wanted: Wanted, at: str | None) -> list[Agent]:
    try:
        with home.reading() as log:
            return listed(log, wanted, at)
    except NoLog:
        return []
