"""A run that the log does not know (any more): the log was deleted, recovered in part, or restored from a backup.

What it needs to be registered again is in its files: the spec has what its agent was spawned with, `who` its processes.
Its daemon does that itself when it meets another log; the supervisor does it where the daemon is dead too.
"""

from __future__ import annotations

import os

from swarm_store import lifecycle, registry
from swarm_store.errors import LogUnusable, SwarmError

from .process import from_data, is_alive
from .run import Run, read_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from swarm_store.home import Home
    from swarm_store.log import Log


def register_again(log: Log, run: Run) -> bool:
    """Tell the log of a run that it does not know, as far as the run's files say it; whether they say enough."""
    who, spec = read_record(run.who), read_record(run.spec_path)
    if who is None or spec is None or "agent" not in spec:
        return False
    lived = {"id": run.agent_id, "state": lifecycle.RUNNING, "epoch": 0, "restarts": 0}
    try:
        registry.introduce(log, {**lived, **spec["agent"], **who, "run": run.number})
    except LogUnusable:
        raise
    except SwarmError:
        pass  # its daemon was faster, or knows more of it: whatever is wrong, it is wrong with this run alone
    return True


def unknown_runs(home: Home, runs: dict[str, int]) -> list[Run]:
    """Runs with processes of their own, by their files, of agents that `runs` lacks or has at an earlier run."""
    found = []
    for agent_id in _names(home.agents):
        for name in _names(home.agent(agent_id)):
            number = name.removeprefix("run-")
            if name != number and number.isdigit():
                run = Run(home, agent_id, int(number))
                if runs.get(agent_id, 0) < run.number and os.path.exists(run.who):
                    found.append(run)
    return found


def abandoned(home: Home, known: Container[str], created: int) -> list[str]:
    """Agents that were to be registered and never will be: nobody knows them, and who wrote their specs is dead.

    Specs that are older than the log (`created`, in microseconds) are another log's, and kept: it may come back.
    """
    found = []
    for agent_id in _names(home.agents):
        run = Run(home, agent_id, 1)
        if agent_id in known or any(name.startswith("run-") for name in _names(home.agent(agent_id))):
            continue
        try:
            written = os.stat(run.spec_path).st_mtime_ns // 1000
            spawner = from_data(run.spec()["agent"]["spawner"])
        except (OSError, ValueError, KeyError, SwarmError):
            continue  # it is just being written, or was by something else
        if written >= created and not is_alive(spawner):
            found.append(agent_id)
    return found


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
