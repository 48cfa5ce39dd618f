"""The place of a run on the machine: a scope of systemd's where there is one, and whatever enforces the run's limits.

By a scope, else by a cgroup of our own, else (memory alone) by a limit that each of its processes inherits; else it is
refused. What was found is written to the run's `limits`, from which daemons know it.
"""

from __future__ import annotations

import os

from swarm_store.errors import CannotStart

from . import cgroup, scope
from .run import CGROUP, RLIMIT, SCOPE, write_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .run import Run


def confine(run: Run, pid: int) -> None:
    """Put the process that will be the run's keeper where all of the run shall be; those it forks follow.

    Raises CannotStart where limits were asked for that nothing here enforces.
    """
    spec = run.spec()
    limits = spec.get("limits") or {}
    if spec["input"] and "tasks" in limits:
        limits["tasks"] += cgroup.HOLDER_TASKS
    has_scope = scope.make(run, pid, spec)
    if not limits:
        return
    if has_scope and cgroup.enforces(pid, limits):
        found = {"by": SCOPE, "cgroups": cgroup.memory_directory(pid)}
    elif not has_scope and (made := cgroup.make(run.mark, pid, limits)):
        found = {"by": CGROUP, "cgroups": made}
    elif set(limits) == {"memory"}:
        found = {"by": RLIMIT, "cgroups": []}
    else:
        raise _refusal(sorted(limits))
    write_aside(run.limits, found)


def _refusal(limits: list[str]) -> CannotStart:
    asked = " and ".join(f"--{name}" for name in limits)
    if os.geteuid() == 0:
        return CannotStart(f"nothing here enforces {asked}: no cgroup controllers that we may use", "leave it out")
    me = os.geteuid()
    return CannotStart(f"nothing here enforces {asked} for user {me}", f"loginctl enable-linger {me}, or leave it out")
