"""Events for tests, and what should hold of the records they become."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from typing import Any

from swarm_store import events
from swarm_store.events import Event, Record
from swarm_store.home import Home

LIVE = ("spawned", "starting", "running", "waiting")
TERMINAL = ("completed", "failed", "cancelled", "lost")
OUTCOMES = ("completed", "failed", "cancelled")

# The design's table once more, written out: (state, event, outcome) to the state after. All else is illegal.
LEGAL: dict[tuple[str | None, str, str | None], str | None] = {
    (None, "agent:spawned", None): "spawned",
    ("spawned", "agent:starting", None): "starting",
    ("starting", "agent:started", None): "running",
    ("running", "agent:waiting", None): "waiting",
    ("waiting", "agent:resumed", None): "running",
    **{(state, "agent:adopted", None): state for state in ("starting", "running", "waiting")},
    **{(state, "agent:signalled", None): state for state in ("starting", "running", "waiting")},
    ("running", "agent:fell_silent", None): "running",
    **{(state, "agent:spoke", None): state for state in ("running", "waiting")},
    **{(state, "agent:exited", outcome): outcome for state in LIVE[1:] for outcome in OUTCOMES},
    **{("spawned", "agent:start_failed", outcome): outcome for outcome in ("failed", "cancelled")},
    **{(state, "agent:lost", None): "lost" for state in LIVE},
    **{(state, "agent:swept", None): state for state in TERMINAL},
    **{(state, "agent:crash_looped", None): state for state in TERMINAL},
    **{(state, "agent:restart_withdrawn", None): state for state in TERMINAL},
    **{(state, "agent:restarted", None): "spawned" for state in TERMINAL},
    **{(state, "agent:settled", None): state for state in (*LIVE, *TERMINAL)},
    **{(state, "agent:removed", None): None for state in TERMINAL},
}
ENDS = ("agent:exited", "agent:start_failed")  # their outcome says which state is reached
TYPES = tuple(dict.fromkeys(type for _, type, _ in LEGAL))

IDENTITY = {"pid": 4194303, "start": 1, "boot": "another"}


def note(n: int) -> Event:
    """An event that means nothing."""
    return Event("note:taken", {"n": n}, None, None)


def notes(records: Iterable[Record]) -> list[int]:
    """The numbers of the notes in `records`, in order."""
    return [record.data["n"] for record in records]


def happened(
    agent_id: str, type: str, outcome: str | None = None, name: str | None = None, run: int | None = None
) -> Event:
    """A registry event of any type, with data that is good enough for it."""
    data: dict[str, dict[str, Any]] = {
        "agent:spawned": {"command": ["true"], "cwd": "/", "name": name},
        "agent:starting": {"daemon": IDENTITY, "keeper": IDENTITY, "child": IDENTITY},
        "agent:started": {"monotonic": 1.5},
        "agent:adopted": {"daemon": IDENTITY, "epoch": 1},
        "agent:signalled": {"signal": "TERM", "reason": "cancel"},
        "agent:exited": {"outcome": outcome, "exit_code": 0, "signal": None},
        "agent:start_failed": {"outcome": outcome, "exit_code": 125, "reason": "its spawner is gone"},
        "agent:lost": {"reason": "its daemon is gone"},
        "agent:restarted": {"run": 2, "reason": "request", "restarts": 1, "spawner": IDENTITY},
    }
    return Event(type, data.get(type, {}) | ({} if run is None else {"run": run}), agent_id, None)


def life(agent_id: str, *, name: str | None = None, outcome: str = "completed") -> list[Event]:
    """An agent from its spawning to its end."""
    return [
        happened(agent_id, events.AGENT_SPAWNED, name=name),
        happened(agent_id, events.AGENT_STARTING),
        happened(agent_id, events.AGENT_STARTED),
        happened(agent_id, events.AGENT_EXITED, outcome),
    ]


def recorded(event: Event, position: int = 1, time: int = 0) -> Record:
    """`event` as a record of the registry."""
    return Record(position, events.REGISTRY, position - 1, time, event.type, event.key, event.data, event.payload)


def is_dense(records: list[Record], first: int = 0) -> bool:
    """Whether offsets have no gap, from `first` on, and positions increase, in one stream's `records`."""
    positions = [record.position for record in records]
    offsets = [record.offset for record in records]
    return offsets == list(range(first, first + len(records))) and positions == sorted(set(positions))


def is_locked(home: Home) -> bool:
    """Whether somebody holds the write lock at this moment."""
    file = os.open(home.lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
