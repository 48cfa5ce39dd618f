"""A run that the log does not know (any more): the log was deleted, recovered in part, or restored from a backup.

What it needs to be registered again is in its files: the spec has what its agent was spawned with, `who` its processes.
Its daemon does that itself when it meets another log; the supervisor does it where the daemon is dead too.
"""

from __future__ import annotations

import os

from swarm_store import events, lifecycle, registry
from swarm_store.errors import NotPossible

from .process import myself
from .run import Run, read_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from swarm_store.events import Event
    from swarm_store.fold import Agent
    from swarm_store.home import Home
    from swarm_store.log import Log

BEHIND = "the log was replaced by one that knew nothing of its next run"


def register_again(log: Log, run: Run) -> bool:
    """Bring what the log knows of the agent up to `run`; whether there was anything to do."""
    who = read_record(run.who)
    spec = read_record(run.spec_path)
    if who is None or spec is None or "agent" not in spec:
        return False
    missing = _missing(registry.get(log, run.agent_id), run, spec["agent"], who)
    try:
        registry.publish(log, *missing)
    except NotPossible:
        return False  # somebody else has done it at the same moment
    return bool(missing)


def _missing(agent: Agent | None, run: Run, spawned: dict[str, Any], who: dict[str, Any]) -> list[Event]:
    """The events that bring `agent`, as the log knows it, to where the run is. Pure."""
    known = {key: who[key] for key in ("daemon", "keeper", "child")}
    starting = events.agent_starting(run.agent_id, run.number, **known)
    started = events.agent_started(run.agent_id, run.number, monotonic=who["monotonic"])
    if agent is None:
        return [events.agent_spawned(run.agent_id, **{**spawned, "run": run.number}), starting, started]
    if agent["run"] < run.number:
        lost = [events.agent_lost(run.agent_id, agent["run"], reason=BEHIND)]
        again = events.agent_restarted(run.agent_id, run=run.number, reason="recovered", restarts=0, spawner=myself())
        return [*(lost if agent["state"] in lifecycle.LIVE else []), again, starting, started]
    if agent["run"] > run.number or agent["state"] not in (lifecycle.SPAWNED, lifecycle.STARTING):
        return []
    return [starting, started] if agent["state"] == lifecycle.SPAWNED else [started]


def unknown_runs(home: Home, agents: dict[str, Agent]) -> list[Run]:
    """Runs with processes of their own, by their files, of agents that `agents` lacks or has at an earlier run."""
    found = []
    for agent_id in _names(home.agents):
        for name in _names(home.agent(agent_id)):
            number = name.removeprefix("run-")
            if name != number and number.isdigit():
                run = Run(home, agent_id, int(number))
                known = agents.get(agent_id)
                if (known is None or known["run"] < run.number) and os.path.exists(run.who):
                    found.append(run)
    return found


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
