"""Agents of a kind for tests: a scripted agent behind the real host, in a real run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from support.agents import get
from support.looking import until
from swarm_daemon import spawn as spawning
from swarm_daemon.prompted import Prompted
from swarm_store import approvals, events, sessions
from swarm_store.errors import CannotStart
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.session_events import SESSION_TYPES

HOST = str(Path(__file__).with_name("real_host.py"))


def spawn(log: Log, place: Path, prompt: str, *, env: dict[str, str] | None = None, **given: Any) -> Agent:
    """Spawn a scripted agent that keeps its files in `place`, with its first turn. `given`: of its session."""
    spawned = {key: given.pop(key) for key in ("restart", "name", "around") if key in given}
    wish = spawning.request(
        log.home,
        [sys.executable, "-P", HOST],
        env={"SCRIPT_PLACE": str(place), **(env or {})},
        prompted=Prompted(session_spec(**given), prompt, "tester"),
        **spawned,
    )
    for _, outcome in spawning.spawn(log, [wish]):
        if isinstance(outcome, CannotStart):
            raise outcome
    return get(log, wish.agent_id)


def session_spec(**given: Any) -> dict[str, Any]:
    """What the host finds in the spec."""
    plain: dict[str, Any] = {"kind": "scripted", "driver": "scripted", "command": None, "env": {}, "model": None}
    plain |= {"session": None, "approve": "ask", "allow": [], "deny": [], "approval_timeout": None, "stay": False}
    return plain | {"resume_after_quota": False, "with_swarm": False, "options": {}} | given


def restart(log: Log, agent: Agent) -> Agent:
    """Another run of an ended agent."""
    spawning.restart(log, get(log, agent["id"]))
    return get(log, agent["id"])


def send(log: Log, agent: Agent, text: str) -> int:
    return sessions.send(log, get(log, agent["id"]), text, by="tester")


def asked(log: Log, agent: Agent) -> dict[str, Any]:
    """The approval that the agent waits for, once it does."""
    found = until(lambda: approvals.asked(log, agent_id=agent["id"]), "an approval")
    return found[0]


def answer(log: Log, agent: Agent, *, granted: bool = True, **how: Any) -> str:
    """Answer what the agent asks for, once it does; the approval."""
    approval: str = asked(log, agent)["id"]
    approvals.answer(log, approval, granted=granted, by="tester", **how)
    return approval


def said(log: Log, agent: Agent, *types: str) -> list[Record]:
    """What is in the agent's stream of its session, or of these types."""
    stream = events.agent_stream(agent["id"])
    return [one for one in log.read(stream, types=types, limit=10_000) if one.type in SESSION_TYPES]


def messages(log: Log, agent: Agent, role: str = "assistant") -> list[str]:
    return [one.data["text"] for one in said(log, agent, "message") if one.data["role"] == role]


def answers(log: Log, agent: Agent) -> list[tuple[str, str | None, bool]]:
    """What became of all that was asked: its state, who has decided, and whether it was delivered."""
    found = approvals.asked(log, agent_id=agent["id"], pending=False)
    return [(one["state"], one["by"], one["delivered"]) for one in found]


def session(log: Log, agent: Agent) -> dict[str, Any]:
    found = sessions.get(log, agent["id"])
    assert found is not None
    return found


def outcomes(log: Log, agent: Agent) -> list[str]:
    return [one.data["outcome"] for one in said(log, agent, "turn:completed")]


def notes(place: Path) -> list[str]:
    """What the agent has noted, in all its sessions; with each note it has remembered in one step that it has."""
    found = [json.loads(path.read_text())["notes"] for path in sorted(place.glob("session-*")) if not path.suffix]
    return [note for one in found for note in one]


def lines(place: Path, name: str) -> list[str]:
    """What the agent has written into a file of its own."""
    return (place / name).read_text().splitlines() if (place / name).exists() else []
