"""What the machine shows of an agent: locks, processes, files; and its inbox. Looks, and changes nothing."""

from __future__ import annotations

import os

from swarm_daemon import tree
from swarm_daemon.control import is_ours
from swarm_daemon.process import from_data, is_alive
from swarm_daemon.run import Run
from swarm_store.errors import SwarmError
from swarm_store.lifecycle import LOST, TERMINAL

from .decide import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_daemon.process import Identity
    from swarm_store.fold import Agent
    from swarm_store.log import Log

    Marked = dict[str, list[Identity]]


def observe(log: Log, agent: Agent, marked: Marked | None = None) -> Seen:
    """What is to be seen of `agent` now. `marked`: tree.marked(), where the caller has looked for all at once."""
    run = Run(log.home, agent["id"], agent["run"])
    turn_waits, is_idle, due = _turns(log, agent, run)
    return Seen(
        is_ours=is_ours(agent),
        has_daemon=run.has_daemon(),
        spawner_lives=is_alive(from_data(agent["spawner"])),
        child_lives=is_alive(from_data(agent["child"])),
        has_spec=os.path.exists(run.spec_path),
        has_run=os.path.isdir(run.path),
        left=_left(agent, run, marked),
        turn_waits=turn_waits,
        is_idle=is_idle,
        due=due,
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


def _turns(log: Log, agent: Agent, run: Run) -> tuple[bool, bool, int | None]:
    """Of an ended agent turn_waits, is_idle and due: see Seen."""
    if agent["kind"] is None or agent["state"] not in TERMINAL:
        return False, False, None
    from swarm_store import approvals, budgets, conversation, sessions  # only agents of a kind pay for them

    session = sessions.get(log, agent["id"]) or conversation.new(agent["id"])
    may_begin = budgets.may_begin(log, agent["id"]) is None
    has_work = may_begin and conversation.is_open(session)
    due = min(approvals.due(log, agent["id"]).values(), default=None) if session["pending"] else None
    return may_begin and conversation.wants_run(session, agent), not has_work and not _stays(run), due


def _stays(run: Run) -> bool:
    try:
        return bool((run.spec().get("session") or {}).get("stay"))
    except SwarmError:
        return False  # it cannot be started either
