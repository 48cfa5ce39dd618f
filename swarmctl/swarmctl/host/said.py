"""What a driver says, as events of the log. Pure."""

from __future__ import annotations

from swarm_store import session_events
from swarm_store.events import Event

from .facts import Message, Permission, Said, ToolCalled, ToolFinished


def event(agent_id: str, run: int, turn: int | None, fact: Said) -> Event:
    """The event that a fact is."""
    where = (agent_id, run, turn)
    if isinstance(fact, Message):
        return session_events.message(*where, role=fact.role, text=fact.text)
    if isinstance(fact, ToolCalled):
        return session_events.tool_called(*where, **fact._asdict())
    if isinstance(fact, ToolFinished):
        return session_events.tool_finished(*where, **fact._asdict())
    return session_events.usage_reported(*where, **fact._asdict())


def requested(agent_id: str, run: int, turn: int | None, approval: str, wish: Permission, until: str | None) -> Event:
    """The event that a wish is."""
    asked = {**wish._asdict(), "options": [one._asdict() for one in wish.options]}
    del asked["reads_only"]
    return session_events.approval_requested(agent_id, run, turn, approval=approval, until=until, **asked)
