"""Until agents have ended that run elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import cast

from swarm_store.events import Record
from swarm_store.fold import Agent

from ..client import Swarm, calls, streams
from ..client.exchange import FOREVER
from ..client.types import record
from ..commands.waiting import Left
from ..ended import BEFORE


def ends(swarm: Swarm, agents: Sequence[Agent], timeout: float | None) -> Iterator[Agent]:
    """Each of `agents` when it has ended, in the order in which they do; stops after `timeout` seconds."""
    left = Left(agents)
    yield from left.ended_by(())
    if len(left.agents()) == 1:  # asked for by its own name, so that a token for this agent alone will do
        yield from _end(swarm, left, timeout)
    elif left.agents():
        yield from _ends(swarm, left, timeout)


def _end(swarm: Swarm, left: Left, timeout: float | None) -> Iterator[Agent]:
    (agent,) = left.agents()
    found = swarm.run(calls.ended(agent["id"], run=agent["run"], timeout=timeout))
    if found is None:
        return
    if found["run"] == agent["run"]:
        yield cast(Agent, found)
    else:
        yield from left.ended_by(_history(swarm, agent))


def _ends(swarm: Swarm, left: Left, timeout: float | None) -> Iterator[Agent]:
    """Follow the log from a moment on at which it is known who lives."""
    deadline = FOREVER if timeout is None else time.monotonic() + timeout
    position = swarm.run(calls.report("info", patient=True))["position"]
    living = {one["id"] for page in swarm.feed(calls.agents(patient=True)) for one in page}
    for one in left.agents():
        if one["id"] not in living:
            yield from left.ended_by(_history(swarm, one))
    for page in swarm.feed(streams.events(position, types=list(BEFORE), follow=True, deadline=deadline)):
        yield from left.ended_by(map(record, page))
        if not left.agents():
            return


def _history(swarm: Swarm, agent: Agent) -> Iterator[Record]:
    """How the runs of an agent have ended."""
    return map(record, swarm.events(agent=agent["id"], types=list(BEFORE)))
