"""Agents as they ended, told from the registry's events: an agent may be removed before whoever waits has woken."""

from __future__ import annotations

from swarm_store import events, registry
from swarm_store.events import Record
from swarm_store.fold import Agent, apply
from swarm_store.lifecycle import LIVE, RUNNING, SPAWNED
from swarm_store.log import Log

# What ends a run, and a state in which it can.
BEFORE = {events.AGENT_START_FAILED: SPAWNED, events.AGENT_EXITED: RUNNING, events.AGENT_LOST: RUNNING}


def after(agent: Agent, record: Record) -> Agent:
    """The agent after `record`, if that is the end of the run in which it was; of what came before nothing was read."""
    if agent["state"] not in LIVE or record.type not in BEFORE or record.data["run"] != agent["run"]:
        return agent
    return apply({**agent, "state": BEFORE[record.type]}, record) or agent


def as_it_was(log: Log, agent: Agent) -> Agent:
    """An agent that has just been removed, as it ended."""
    for record in registry.history(log, agent["id"]):
        agent = after(agent, record)
    return agent
