"""The reducer: agents as a fold of registry events. Pure; the projection is this, written down as it happens."""

from __future__ import annotations

from . import lifecycle
from .clock import rfc3339
from .errors import IllegalTransition
from .events import (
    AGENT_ADOPTED,
    AGENT_CRASH_LOOPED,
    AGENT_EXITED,
    AGENT_FELL_SILENT,
    AGENT_LOST,
    AGENT_RESTART_WITHDRAWN,
    AGENT_RESTARTED,
    AGENT_RESUMED,
    AGENT_SETTLED,
    AGENT_SPAWNED,
    AGENT_SPOKE,
    AGENT_START_FAILED,
    AGENT_STARTED,
    AGENT_STARTING,
    AGENT_SWEPT,
    AGENT_WAITING,
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


def _new_run() -> dict[str, Any]:
    """What is known of a run that has not begun."""
    return {
        "exit_code": None,
        "signal": None,
        "reason": None,
        "started_at": None,
        "ended_at": None,
        "seconds": None,
        "daemon": None,
        "keeper": None,
        "child": None,
        "limited_by": None,
        "epoch": 0,
        "monotonic": None,
        "silent_since": None,
        "waiting_for": None,  # approval, turn, quota
        "waiting_until": None,
        "output": None,
        "resources": None,
        "left": None,
    }


def _spawned(agent_id: str, data: dict[str, Any], time: str) -> Agent:
    return {
        "id": agent_id,
        "name": data.get("name"),
        "state": lifecycle.SPAWNED,
        "labels": data.get("labels", {}),
        "command": data["command"],
        "cwd": data["cwd"],
        "run": data.get("run", 1),
        "created_at": time,
        **_new_run(),
        "parent": data.get("parent"),
        "depth": data.get("depth", 0),
        "restart": data.get("restart", "no"),
        "max_restarts": data.get("max_restarts"),
        "restarts": 0,
        "no_more_restarts": None,
        "timeout": data.get("timeout"),
        "grace": data.get("grace"),
        "silence": data.get("silence"),
        "on_silence": data.get("on_silence", "mark"),
        "limits": data.get("limits"),
        "input": data.get("input", False),
        "tty": data.get("tty", False),
        "kind": data.get("kind"),  # of an AI agent: claude, codex, ...; none of a plain command
        "model": data.get("model"),
        "approve": data.get("approve"),
        "budget": data.get("budget"),  # of its tree: usd (millionths of a dollar), tokens
        "caps": data.get("caps"),  # of its tree: depth (below it), children (living at a time)
        "notify": data.get("notify"),  # who is told when it waits or ends, without secrets
        "worktree": data.get("worktree"),  # path, branch, repo, end: keep, remove, auto
        "owed": [],  # runs after whose end something is still to be done: see agent:settled
        "host": data.get("host"),
        "spawner": data.get("spawner"),
    }


_PLAIN = _spawned("", {"command": [], "cwd": ""}, "")


def whole(agent: Agent) -> Agent:
    """An agent as a row or a snapshot has it, with what the version that wrote it did not know yet."""
    return {**_PLAIN, **agent}


def _ended(data: dict[str, Any], time: str) -> dict[str, Any]:
    kept = ("exit_code", "signal", "reason", "seconds", "output", "resources", "left")
    over = {"ended_at": time, "silent_since": None, "waiting_for": None, "waiting_until": None}
    return {**{key: data.get(key) for key in kept}, **over}


def _restarted(data: dict[str, Any], time: str) -> dict[str, Any]:
    kept = {key: data[key] for key in ("run", "restarts", "spawner")}
    renamed = {"name": data["name"]} if "name" in data else {}  # of one that lives, and whose name is another's by now
    return {**_new_run(), **kept, **renamed, "no_more_restarts": None}


# What an event changes on an agent, apart from its state.
_CHANGES = {
    AGENT_STARTING: lambda data, time: {key: data.get(key) for key in ("daemon", "keeper", "child", "limited_by")},
    AGENT_STARTED: lambda data, time: {"started_at": time, "monotonic": data["monotonic"]},
    AGENT_ADOPTED: lambda data, time: {"daemon": data["daemon"], "epoch": data["epoch"]},
    AGENT_WAITING: lambda data, time: {"waiting_for": data.get("for"), "waiting_until": data.get("until")},
    AGENT_RESUMED: lambda data, time: {"waiting_for": None, "waiting_until": None},
    AGENT_FELL_SILENT: lambda data, time: {"silent_since": time},
    AGENT_SPOKE: lambda data, time: {"silent_since": None},
    AGENT_START_FAILED: _ended,
    AGENT_EXITED: _ended,
    AGENT_LOST: _ended,
    AGENT_SWEPT: lambda data, time: {"left": 0},
    AGENT_CRASH_LOOPED: lambda data, time: {"no_more_restarts": "crash loop"},
    AGENT_RESTART_WITHDRAWN: lambda data, time: {"no_more_restarts": "withdrawn"},
    AGENT_RESTARTED: _restarted,
}


_OWING = (AGENT_START_FAILED, AGENT_EXITED, AGENT_LOST, AGENT_SETTLED)


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
    if agent is None:
        return None
    _check_run(agent, record)
    if after is None:
        return None
    change = _CHANGES.get(record.type)
    changed = {**agent, **(change(record.data, time) if change else {}), "state": after}
    return {**changed, "owed": _owed(agent, record)} if record.type in _OWING else changed


def _owed(agent: Agent, record: Record) -> list[int]:
    """The runs after whose end something is still to be done, now that one has ended or is settled."""
    run: int = record.data.get("run") or agent["run"]
    rest = [one for one in agent.get("owed", []) if one != run]
    is_owing = record.type != AGENT_SETTLED and (agent.get("notify") or agent.get("worktree"))
    return [*rest, run] if is_owing else rest


def _check_run(agent: Agent, record: Record) -> None:
    """What is said of one run moves no other: a daemon may wake up long after its run is over and another has begun."""
    run = record.data.get("run", agent["run"])
    if record.type == AGENT_SETTLED:
        return
    if not (run > agent["run"] if record.type == AGENT_RESTARTED else run == agent["run"]):
        raise IllegalTransition(
            f"agent {record.key} is in run {agent['run']}: {record.type} of run {run} cannot follow"
        )
    is_by_policy = record.type == AGENT_RESTARTED and record.data["reason"] == "policy"
    if is_by_policy and agent.get("no_more_restarts") is not None:  # a row of the first version has no such field
        raise IllegalTransition(f"agent {record.key} is restarted no more: {agent['no_more_restarts']}")


def fold(records: Iterable[Record], start: dict[str, Agent] | None = None) -> dict[str, Agent]:
    """All agents after `records`, in the order they were spawned, going on from `start`.

    An event that cannot follow changes nothing: a log that was recovered from damage has holes.
    """
    agents = dict(start or {})
    for record in records:
        if record.key is None:
            continue
        try:
            agent = apply(agents.get(record.key), record)
        except IllegalTransition:
            continue
        if agent is None:
            agents.pop(record.key, None)
        else:
            agents[record.key] = agent
    return agents
