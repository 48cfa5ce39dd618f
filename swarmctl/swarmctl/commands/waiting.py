"""Waiting for agents to end, and what their ends mean as exit statuses."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from swarm_daemon import control
from swarm_daemon.signals import number_of
from swarm_store import events, registry
from swarm_store.fold import Agent
from swarm_store.follow import until
from swarm_store.lifecycle import LOST, TERMINAL
from swarm_store.log import Log

TIMED_OUT = 124
FAILED_OURSELVES = 125


def ends(log: Log, agents: list[Agent], timeout: float | None) -> Iterator[Agent]:
    """Each of `agents` when it has ended, in the order in which they are seen to; stops after `timeout` seconds.

    Says once on stderr of an agent whose daemon is dead that nobody is following it.
    """
    left = {agent["id"] for agent in agents}
    told: set[str] = set()
    deadline = None if timeout is None else time.monotonic() + timeout
    for _ in until(log, events.REGISTRY, deadline):
        for one in sorted(left):
            agent = registry.get(log, one)
            if agent is None or agent["state"] in TERMINAL:
                left.discard(one)
                if agent is not None:
                    yield agent
            elif one not in told and not control.has_daemon(log.home, agent):
                told.add(one)
                hint = f"{sys.executable} -m swarm_daemon --adopt {one}"
                print(
                    f"swarmctl: the daemon of agent {one} is dead; a successor is needed: {hint}",
                    file=sys.stderr,
                )
        if not left:
            return


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
