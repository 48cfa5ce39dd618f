"""`swarmctl cancel`: end agents with all their processes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from swarm_daemon import control
from swarm_store import lifecycle, registry
from swarm_store.errors import NotPossible, SwarmError, WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log

from .. import elsewhere, home, values
from ..progress import progress
from .options import HELP, OptionalAgents, new_verb
from .waiting import ends

verb = new_verb()
MARGIN = 30.0  # seconds beyond the grace period in which a daemon must have ended a killed tree


@verb.command(context_settings=HELP)
def cancel(
    agent: OptionalAgents = None,
    label: Annotated[list[str] | None, typer.Option(metavar="K[=V]", help="All with this label.")] = None,
    all: Annotated[bool, typer.Option("--all", help="All that live, or wait for their restart.")] = False,
    grace: Annotated[
        str | None,
        typer.Option(metavar="D", help="How long between the signal and KILL; by default the agent's own."),
    ] = None,
    signal: Annotated[str, typer.Option(metavar="S", help="The signal that asks it to end.")] = "TERM",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return when it has been asked.")] = False,
) -> None:
    """End agents: a signal to all their processes, a grace period, KILL. Returns when they have ended.

    One that has ended and waits for its restart is not restarted.

    \b
    Examples:
      swarmctl cancel build
      swarmctl cancel --label team=web --grace 30s
      swarmctl cancel --all --no-wait
    """
    values.check_signal(signal)
    seconds = None if grace is None else values.duration(grace)
    if not agent and not label and not all:
        raise WrongUsage("no agent is named", "name one, or use --label or --all")
    if far := elsewhere.far():
        far.cancel(agent or [], label or [], all, signal, seconds, wait=not no_wait)
        return
    with home.writing() as log:
        named = home.resolve_all(log, agent or [])
        known = registry.agents(log, ended=True) if label or all else []
        agents = chosen(named, known, [] if all else label or [])
        waiting = [one for one in agents if one["ended_at"]]
        for one in waiting:
            _withdraw(log, one, named=bool(agent))
        agents = [one for one in agents if one not in waiting]
        end(log, agents, signal, seconds, named=bool(agent), wait=not no_wait)


def chosen(named: list[Agent], known: list[Agent], labels: list[str]) -> list[Agent]:
    """The agents to be cancelled: those `named`, and of the others that are `known` those that have the labels.

    Raises NotPossible where a named one has ended for good.
    """
    ended = [agent["id"] for agent in named if not _may_be_cancelled(agent)]
    if ended:
        raise NotPossible(f"already ended: {', '.join(ended)}", "nothing was cancelled")
    also = [one for one in known if _may_be_cancelled(one) and values.has_labels(one["labels"], labels)]
    return list({agent["id"]: agent for agent in [*named, *also]}.values())


def _may_be_cancelled(agent: Agent) -> bool:
    return not agent["ended_at"] or lifecycle.may_be_restarted(agent)


def end(
    log: Log, agents: list[Agent], signal: str, grace: float | None, *, named: bool = True, wait: bool = True
) -> None:
    """Have living agents ended, and wait until they are; `named`: one that ends by itself meanwhile is an error."""
    for one in agents:
        _ask(log, one, signal, grace, named=named)
    if wait:
        control.end_all_without_daemon(log, agents)
        _wait(log, agents, grace)


def _withdraw(log: Log, agent: Agent, *, named: bool) -> None:
    try:
        control.withdraw_restart(log, agent)
    except NotPossible:  # it has just been restarted
        if named:
            raise


def _ask(log: Log, agent: Agent, signal: str, grace: float | None, *, named: bool) -> None:
    try:
        control.ask_cancel(log, agent, signal=signal, grace=grace)
    except NotPossible:
        if named:
            raise


def _wait(log: Log, agents: list[Agent], grace: float | None) -> None:
    see_ended(agents, ends(log, agents, longest(agents, grace)))


def longest(agents: list[Agent], grace: float | None) -> float:
    """How many seconds the end of all of them may take."""
    return MARGIN + max((grace if grace is not None else agent["grace"] or 0 for agent in agents), default=0.0)


def see_ended(agents: list[Agent], ending: Iterable[Agent]) -> None:
    """Wait until all have ended. Raises SwarmError where some do not."""
    left = {agent["id"] for agent in agents}
    with progress("cancelling", len(agents)) as advance:
        for one in ending:
            left.discard(one["id"])
            advance()
    if left:
        print(f"swarmctl: {len(agents) - len(left)} of {len(agents)} have ended", file=sys.stderr)
        raise SwarmError(f"still not ended: {', '.join(sorted(left))}", "swarmctl show says which daemon has it")
