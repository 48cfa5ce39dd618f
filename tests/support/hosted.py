"""Agents of a kind for tests: real runs of real daemons, whose host does what the turns say (scripted_host.py)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from support.agents import get
from support.looking import until
from swarm_daemon import spawn as spawning
from swarm_store import approvals, events, sessions
from swarm_store import session_events as said
from swarm_store.conversation import Approval, Session
from swarm_store.errors import CannotStart
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.log import Log

HOST = str(Path(__file__).with_name("scripted_host.py"))


def spawn(
    log: Log,
    *turns: str,
    kind: str = "claude",
    stay: bool = False,
    linger: str = "",
    live: bool = False,
    command: list[str] | None = None,
    **options: Any,
) -> Agent:
    """Spawn an agent of a kind with its first turns; it may have ended when this returns. `command`: another host."""
    words = [*(["--stay"] if stay else []), *(["--live"] if live else []), *(["--linger", linger] if linger else [])]
    wish = spawning.request(log.home, command or [sys.executable, "-P", HOST, *words], **options)
    first = turns[0].splitlines()[0][:100] if turns else ""
    data = {**wish.event.data, "kind": kind, "model": "m1", "approve": "ask", "command": [kind, first]}
    spec = {**wish.spec, "session": {"kind": kind, "stay": stay}}
    for turn in turns:
        log.append(events.inbox_stream(wish.agent_id), [said.turn_sent(wish.agent_id, turn, by="me@here")])
    for _, outcome in spawning.spawn(log, [wish._replace(event=wish.event._replace(data=data), spec=spec)]):
        if isinstance(outcome, CannotStart):
            raise outcome
    return get(log, wish.agent_id)


def session(log: Log, agent_id: str) -> Session:
    """Its session."""
    found = sessions.get(log, agent_id)
    assert found is not None
    return found


def told(log: Log, agent_id: str, type: str) -> list[Record]:
    """What its host has said of one type."""
    return log.read(events.agent_stream(agent_id), types=[type])


def answers(log: Log, agent_id: str) -> list[str]:
    """What the agent has said, in order."""
    return [one.data["text"] for one in told(log, agent_id, said.MESSAGE) if one.data["role"] == "assistant"]


def completed(log: Log, agent_id: str, turns: int) -> Session:
    """Its session, once so many turns are completed."""
    until(lambda: session(log, agent_id)["completed"] >= turns, f"{turns} turns of {agent_id}")
    return session(log, agent_id)


def asked(log: Log, agent_id: str) -> Approval:
    """What it asks to be allowed, once it does."""
    return until(lambda: approvals.asked(log, agent_id=agent_id), f"{agent_id} asks")[0]
