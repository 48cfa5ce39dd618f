"""How things are here, supervisor and all: what `doctor` and `supervisor status` share with the server."""

from __future__ import annotations

from typing import Any

from swarm_daemon.diagnosis import Finding, examine
from swarm_store import events
from swarm_store.clock import rfc3339
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.opening import NoLog
from swarm_supervisor import singleton


def examined(home: Home) -> list[Finding]:
    """What every check found."""
    return [*examine(home), _supervisor(home)]


def _supervisor(home: Home) -> Finding:
    """Whether one looks after the agents; none is needed for them to run."""
    who = singleton.holder(home)
    found = f"process {who['pid']}, since {who['since']}" if who else "none: nobody restarts or adopts by itself"
    return Finding("supervisor", True, found, "")


def supervision(home: Home) -> dict[str, Any]:
    """Whether a supervisor is `running`, who it is, and what it did `last`."""
    holder = singleton.holder(home)
    return {"running": holder is not None, **(holder or {}), "last": _last_reconciled(home)}


def _last_reconciled(home: Home) -> dict[str, Any] | None:
    try:
        with Log(home, write=False) as log:
            found = log.read(events.SUPERVISOR, types=[events.SUPERVISOR_RECONCILED], limit=1, backwards=True)
    except NoLog:
        return None
    return {"time": rfc3339(found[0].time), **found[0].data} if found else None
