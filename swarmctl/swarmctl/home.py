"""The log as a command opens it, and the agents that its words mean."""

from __future__ import annotations

import sys
import time

from swarm_daemon import control
from swarm_store import registry
from swarm_store.errors import LogUnusable
from swarm_store.fold import Agent
from swarm_store.home import locate
from swarm_store.lifecycle import RUNNING
from swarm_store.log import Log
from swarm_supervisor import singleton

LOST = "lost?"  # its daemon is provably dead: what became of it will be known when a supervisor has looked
TAKE_OVER = "a supervisor takes them over: swarmctl supervisor run"

LOOK_SECONDS = 0.5


def reading() -> Log:
    """The log, for reading alone. Raises NoLog where nothing has ever been spawned."""
    return Log(locate(), write=False)


def patiently(log: Log, deadline: float | None = None) -> Log:
    """The same log, for a command that waits: where it is deleted or damaged, it says so and waits for its return.

    After `deadline` (monotonic seconds) what is wrong is raised.
    """
    told: set[str] = set()

    def wait(error: LogUnusable) -> None:
        if deadline is not None and time.monotonic() >= deadline:
            raise error
        if error.message not in told:
            told.add(error.message)
            print(f"swarmctl: {error.message}; waiting for its return; {error.hint}", file=sys.stderr)
        time.sleep(LOOK_SECONDS)

    log.when_gone = wait
    return log


def writing() -> Log:
    """The log, made if need be."""
    return Log(locate())


def with_status(log: Log, agents: list[Agent]) -> list[Agent]:
    """`agents` with a `status`: the state, or what is known beyond it and not in the log (`lost?`, `silent`)."""
    return [{**agent, "status": _status(log, agent)} for agent in agents]


def _status(log: Log, agent: Agent) -> str:
    if control.has_lost_daemon(log.home, agent):
        return LOST
    silent = agent["silent_since"] and agent["state"] == RUNNING
    return "silent" if silent else str(agent["state"])


def hint_lost(agents: list[Agent]) -> None:
    """Say what helps where daemons are provably dead and nobody is there to take their runs over."""
    lost = sum(agent["status"] == LOST for agent in agents)
    if lost and singleton.holder(locate()) is None:
        print(f"swarmctl: {lost} without a daemon ({LOST}), their output waits; {TAKE_OVER}", file=sys.stderr)


def resolve_all(log: Log, words: list[str]) -> list[Agent]:
    """The agents that `words` mean, each once, in order. Raises NoSuchAgent or WrongUsage for the first bad one."""
    found = {agent["id"]: agent for agent in (registry.resolve(log, word) for word in words)}
    return list(found.values())
