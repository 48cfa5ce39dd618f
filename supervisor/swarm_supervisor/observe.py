"""What the machine shows of an agent: locks, processes, files. Looks, and changes nothing."""

from __future__ import annotations

import os

from swarm_daemon import tree
from swarm_daemon.control import is_ours
from swarm_daemon.process import from_data, is_alive
from swarm_daemon.run import Run
from swarm_store.lifecycle import LOST, TERMINAL

from .decide import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_daemon.process import Identity
    from swarm_store.fold import Agent
    from swarm_store.home import Home

    Marked = dict[str, list[Identity]]


def observe(home: Home, agent: Agent, marked: Marked | None = None) -> Seen:
    """What is to be seen of `agent` now. `marked`: tree.marked(), where the caller has looked for all at once."""
    run = Run(home, agent["id"], agent["run"])
    return Seen(
        is_ours=is_ours(agent),
        has_daemon=run.has_daemon(),
        spawner_lives=is_alive(from_data(agent["spawner"])),
        child_lives=is_alive(from_data(agent["child"])),
        has_spec=os.path.exists(run.spec_path),
        has_run=os.path.isdir(run.path),
        left=_left(agent, run, marked),
    )


def _left(agent: Agent, run: Run, marked: Marked | None) -> int:
    """Processes that an ended run has left; looked for where its daemon has counted some, or was not there to count."""
    if agent["state"] not in TERMINAL:
        return 0
    if marked is None:
        if agent["left"] == 0 or (agent["left"] is None and agent["state"] != LOST):
            return 0
        marked = tree.marked(run.home)
    return len(marked.get(run.mark, ()))
