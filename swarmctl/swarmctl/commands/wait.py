"""`swarmctl wait`: until agents have ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from swarm_store.fold import Agent

from .. import elsewhere, home, values
from .options import HELP, AgentsArgument, new_verb
from .waiting import TIMED_OUT, ends, in_an_agents_place, status

verb = new_verb()


@verb.command(context_settings=HELP)
def wait(
    agent: AgentsArgument,
    any: Annotated[bool, typer.Option("--any", help="Until one has ended; prints its id.")] = False,
    timeout: Annotated[str | None, typer.Option(metavar="D", help="Wait no longer than this; status 124.")] = None,
) -> int:
    """Wait for agents to end, and exit as they did.

    With several, the status is that of the first in the order given that did not end with 0.

    \b
    Examples:
      swarmctl wait build && deploy
      swarmctl wait --any --timeout 10m web api
    """
    seconds = None if timeout is None else values.duration(timeout)
    deadline = None if seconds is None else time.monotonic() + seconds
    with in_an_agents_place():
        if far := elsewhere.far():
            agents = far.resolve_all(agent)
            return _status(agents, far.ends(agents, seconds), any=any, timeout=timeout)
        with home.patiently(home.reading(), deadline) as log:
            agents = home.resolve_all(log, agent)
            return _status(agents, ends(log, agents, seconds), any=any, timeout=timeout)


def _status(agents: list[Agent], ending: Iterator[Agent], *, any: bool, timeout: str | None) -> int:
    """The status of this command, once as many have ended as it waits for."""
    ended = {}
    for one in ending:
        ended[one["id"]] = one
        if any:
            print(one["id"])
            return status(one)
    if len(ended) < len(agents):
        left = [one["id"] for one in agents if one["id"] not in ended]
        print(f"swarmctl: still running after {timeout}: {', '.join(left)}", file=sys.stderr)
        return TIMED_OUT
    statuses = [status(ended[one["id"]]) for one in agents]
    return next((one for one in statuses if one), 0)
