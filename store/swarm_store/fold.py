"""The reducer: agents as a fold of registry events. Pure; the projection is this, written down as it happens."""

from __future__ import annotations

from . import lifecycle
from .clock import rfc3339
from .events import (
    AGENT_ADOPTED,
    AGENT_EXITED,
    AGENT_LOST,
    AGENT_SPAWNED,
    AGENT_STARTED,
    AGENT_STARTING,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .events import Record

    # One agent as `list --json` shows it: see `_spawned` for the fields.
    Agent = dict[str, Any]
else:
    Agent = dict


def _spawned(agent_id: str, data: dict[str, Any], time: str) -> Agent:
    return {
        "id": agent_id,
        "name": data.get("name"),
        "state": lifecycle.SPAWNED,
        "labels": data.get("labels", {}),
        "command": data["command"],
        "cwd": data["cwd"],
        "run": data.get("run", 1),
        "exit_code": None,
        "signal": None,
        "reason": None,
        "created_at": time,
        "started_at": None,
        "ended_at": None,
        "daemon": None,
        "keeper": None,
        "child": None,
        "epoch": 0,
        "parent": data.get("parent"),
        "depth": data.get("depth", 0),
        "restart": data.get("restart", "no"),
        "timeout": data.get("timeout"),
        "grace": data.get("grace"),
        "host": data.get("host"),
        "monotonic": None,
        "output": None,
        "resources": None,
        "left": None,
    }


def _changes(type: str, data: dict[str, Any], time: str) -> dict[str, Any]:
    """What an event changes on an agent, apart from its state."""
    if type == AGENT_STARTING:
        return {"daemon": data["daemon"], "keeper": data["keeper"], "child": data["child"]}
    if type == AGENT_STARTED:
        return {"started_at": time, "monotonic": data["monotonic"]}
    if type == AGENT_ADOPTED:
        return {"daemon": data["daemon"], "epoch": data["epoch"]}
    if type == AGENT_EXITED:
        kept = ("exit_code", "signal", "reason", "output", "resources", "left")
        return {**{key: data.get(key) for key in kept}, "ended_at": time}
    if type == AGENT_LOST:
        return {"reason": data["reason"], "output": data.get("output"), "ended_at": time}
    return {}


def apply(agent: Agent | None, record: Record) -> Agent | None:
    """The agent after `record`; None where it is not (any more) in the registry.

    Raises IllegalTransition where the transition table forbids it. A type that the table does not know, as a newer
    version may write, changes nothing.
    """
    if record.type not in lifecycle.TRANSITIONS or record.key is None:
        return agent
    state = agent["state"] if agent else None
    after = lifecycle.target(record.key, state, record.type, record.data.get("outcome"))
    time = rfc3339(record.time)
    if record.type == AGENT_SPAWNED:
        return _spawned(record.key, record.data, time)
    if after is None or agent is None:
        return None
    return {**agent, **_changes(record.type, record.data, time), "state": after}


def fold(records: Iterable[Record], start: dict[str, Agent] | None = None) -> dict[str, Agent]:
    """All agents after `records`, in the order they were spawned, going on from `start`."""
    agents = dict(start or {})
    for record in records:
        if record.key is None:
            continue
        agent = apply(agents.get(record.key), record)
        if agent is None:
            agents.pop(record.key, None)
        else:
            agents[record.key] = agent
    return agents
