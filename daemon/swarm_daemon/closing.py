"""The end of a run: why it has ended, the event that says so, and what is cleared up once that is in the log."""

from __future__ import annotations

import time

from swarm_store import events, lifecycle
from swarm_store.bells import ring

from . import cgroup, keeper
from .process import boot_id
from .run import CGROUP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from swarm_store.events import Event
    from swarm_store.fold import Agent

    from .process import Identity
    from .run import Run

KILLED = 137  # 128 + SIGKILL


def last_event(
    run: Run, agent: Agent, end: dict[str, Any], *, reason: str | None, output: dict[str, int], left: int
) -> Event:
    """How the run has ended, for `reason` or by itself; what nobody saw is lost, neither failed nor completed."""
    if reason is None and end["exit_code"] is None and end["signal"] is None:
        lost = {"reason": end["reason"], "output": output, "left": left}
        return events.agent_lost(run.agent_id, run.number, **lost)
    return events.agent_exited(
        run.agent_id,
        run.number,
        outcome=lifecycle.outcome(end["exit_code"], reason),
        exit_code=end["exit_code"],
        signal=end["signal"],
        reason=reason,
        seconds=_lasted(agent),
        output=output,
        resources=end.get("resources"),
        left=left,
    )


def _lasted(agent: Agent) -> float | None:
    """How long the run lasted, in seconds of the boot's monotonic clock; None where it began in another boot."""
    started: float | None = agent["monotonic"]
    if started is None or not agent["child"] or agent["child"]["boot"] != boot_id():
        return None
    return round(time.monotonic() - started, 3)


def own_reason(run: Run, end: dict[str, Any], *, was_stopped: bool) -> str | None:
    """Why it has ended without its daemon's doing, where that is known. Of its killed child a shell says 137."""
    if was_stopped and (end["exit_code"] is not None or end["signal"] is not None):
        return "shutdown"  # a cgroup that is stopped: child and daemon were signalled in one breath
    if end["signal"] == "SIGKILL" or end["exit_code"] == KILLED:
        return "memory" if cgroup.has_killed_for_memory(run.confined()["cgroups"]) else None
    return None


def clear_up(run: Run, held_by: Identity | None) -> None:
    """Let the keeper go and delete the run's files: everything is in the log."""
    keeper.release(held_by)
    confined = run.confined()
    if confined["by"] == CGROUP:
        cgroup.remove(confined["cgroups"])
    ring(run.home, [events.inbox_stream(run.agent_id)])  # sweeps the bells of daemons that were killed
    run.remove()
