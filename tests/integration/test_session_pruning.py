"""What a policy forgets of agents of a kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.facts import happened
from swarm_daemon import control
from swarm_store import approvals, registry, sessions
from swarm_store import session_events as said
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.retention import Policy
from swarmctl import pruning

ALL = Policy(older_than=0, keep=None, larger_than=None)
WISH: dict[str, Any] = {"call": "c", "tool": "Bash", "title": "ls", "input": {}, "options": [], "editable": True}


@pytest.fixture
def log(home: Home) -> Iterator[Log]:
    """A log whose agents are events alone, and have failed."""
    with Log(home) as log:
        for agent_id in ("done", "asks", "held", "told"):
            spawned = happened(agent_id, "agent:spawned")
            spawned = spawned._replace(data={**spawned.data, "kind": "claude"})
            registry.publish(log, spawned, happened(agent_id, "agent:starting"), happened(agent_id, "agent:started"))
        yield log


def test_what_somebody_waits_for_is_kept(log: Log) -> None:
    """An agent that was sent a turn, or whose question can still be answered, is spared until that is over."""
    for agent_id, deferred in (("asks", True), ("held", False)):
        asked = said.approval_requested(agent_id, 1, 0, approval=f"{agent_id}x", deferred=deferred, until=None, **WISH)
        sessions.say(log, agent_id, asked)
    told = registry.get(log, "told")
    assert told is not None
    sessions.send(log, told, "and more", by=None)
    for agent_id in ("done", "asks", "held", "told"):
        registry.publish(log, happened(agent_id, "agent:exited", outcome="failed"))
    assert [one["id"] for one in pruning.due(log, ALL)] == ["done", "held"]
    assert [one["id"] for one in control.prune(log, ALL)] == ["done", "held"]
    approvals.answer(log, "asksx", granted=False, by="me")
    assert [one["id"] for one in control.prune(log, ALL)] == ["asks"]
    assert [one["id"] for one in registry.agents(log, ended=True)] == ["told"]
