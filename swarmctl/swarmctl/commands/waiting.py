"""Waiting for agents to end, and what their ends mean as exit statuses."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from swarm_daemon import control
from swarm_daemon.signals import number_of
from swarm_store import events, registry
from swarm_store.bells import NET
from swarm_store.errors import SwarmError
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.follow import follow
from swarm_store.lifecycle import LOST, TERMINAL
from swarm_store.log import Log
from swarm_supervisor import singleton

from ..ended import BEFORE, after, as_it_was
from ..home import TAKE_OVER

TIMED_OUT = 124
FAILED_OURSELVES = 125


def ends(log: Log, agents: list[Agent], timeout: float | None) -> Iterator[Agent]:
    """Each of `agents` when it has ended, in the order in which they do; stops after `timeout` seconds."""
    deadline = None if timeout is None else time.monotonic() + timeout
    start = log.head(events.REGISTRY)
    left = Left(registry.get(log, agent["id"]) or as_it_was(log, agent) for agent in agents)
    orphans = Orphans(log)
    opening = log.openings
    for page in follow(log, {events.REGISTRY: start}, types=list(BEFORE), deadline=deadline):
        if log.openings != opening:  # another log, recovered or restored: what it says counts
            opening = log.openings
            left = Left(registry.get(log, agent["id"]) or agent for agent in left.agents())
        yield from left.ended_by(page)
        if not left.agents():
            return
        if not page:
            orphans.look(agent["id"] for agent in left.agents())


class Left:
    """Agents that are waited for. Folded from events rather than looked up: one may be removed before we wake."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        self._left = {agent["id"]: agent for agent in agents}

    def agents(self) -> list[Agent]:
        """Those that have not ended."""
        return list(self._left.values())

    def ended_by(self, page: Iterable[Record]) -> list[Agent]:
        """Those that have ended after these events, or before; they are waited for no more."""
        for record in page:
            if record.key in self._left:
                self._left[record.key] = after(self._left[record.key], record)
        return [self._left.pop(one["id"]) for one in self.agents() if one["state"] in TERMINAL]


class Orphans:
    """Says on stderr, once for each, that nobody follows a living agent because its daemon is dead."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: set[str] = set()
        self._next = 0.0

    def look(self, ids: Iterable[str]) -> None:
        """Look at agents that are waited for, once every few seconds however often it is called."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + NET
        for one in set(ids) - self._told:
            agent = registry.get(self._log, one)
            if agent and control.has_lost_daemon(self._log.home, agent) and not singleton.holder(self._log.home):
                self._told.add(one)
                print(f"swarmctl: the daemon of agent {one} is dead; {TAKE_OVER}", file=sys.stderr)


@contextmanager
def in_an_agents_place() -> Iterator[None]:
    """Where the status stands for an agent's, a failure of our own is 125: 1 would be the agent's."""
    try:
        yield
    except SwarmError as error:
        if error.exit_code == SwarmError.exit_code:
            error.exit_code = FAILED_OURSELVES
        raise


def status(agent: Agent) -> int:
    """The status of a command that stands for `agent`: its own, 128+N for signal N, 124 timeout, 125 unknown."""
    if agent["reason"] == "timeout":
        return TIMED_OUT
    if agent["signal"]:
        return 128 + number_of(agent["signal"])
    if agent["exit_code"] is not None:
        return int(agent["exit_code"])
    if agent["state"] != LOST:
        print(f"swarmctl: how agent {agent['id']} ended is unknown: {agent['reason']}", file=sys.stderr)
    return FAILED_OURSELVES
