"""`swarmctl wait`: until agents have ended."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from .. import home, values
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
    with in_an_agents_place(), home.patiently(home.reading(), deadline) as log:
        agents = home.resolve_all(log, agent)
        ended = {}
        for one in ends(log, agents, seconds):
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
