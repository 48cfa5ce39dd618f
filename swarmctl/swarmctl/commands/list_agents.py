"""`swarmctl list`: what lives, and with --all what has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from swarm_store import lifecycle, registry
from swarm_store.errors import WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.opening import NoLog

from .. import home, render, values
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
    for one in state or ():
        if one not in lifecycle.STATES:
            raise WrongUsage(f"no such state: {one!r}", f"states are {', '.join(lifecycle.STATES)}")
    agents = _chosen(_agents(all or bool(state), at), all, state, label)
    if quiet:
        for agent in agents:
            print(agent["id"])
        return
    if json:
        print(render.as_json(agents))
    else:
        render.table(agents)
    if at is None:
        home.hint_lost(agents)


def _agents(ended: bool, at: str | None) -> list[Agent]:
    try:
        with home.reading() as log:
            if at is None:
                return home.with_status(log, registry.agents(log, ended=ended))
            return list(registry.agents_at(log, position_of(log, at)).values())
    except NoLog:
        return []


def _chosen(agents: list[Agent], all: bool, states: list[str] | None, labels: list[str] | None) -> list[Agent]:
    wanted = set(states) if states else set(lifecycle.STATES) if all else lifecycle.LIVE
    return [agent for agent in agents if agent["state"] in wanted and values.has_labels(agent["labels"], labels or [])]


def position_of(log: Log, at: str) -> int:
    """The position that `--at` means: a bare number is one, anything else a time. Raises WrongUsage."""
    if not (at.isascii() and at.isdigit()):
        return log.position_at(values.moment(at))
    if int(at) > log.position():
        raise WrongUsage(f"position {at} has not been written", f"the last one is {log.position()}")
    return int(at)
