"""Agents as the registry has them, written by hand: for what is decided about them without a machine."""

from __future__ import annotations

from typing import Any

from support.facts import IDENTITY
from swarm_store.clock import SECOND, rfc3339
from swarm_store.fold import Agent

END = 1_700_000_000 * SECOND  # when an agent of `agent` ended, if it has


def agent(state: str = "failed", **given: Any) -> Agent:
    """An agent in `state`, run 1, that was started a second before its end; `given` says more of it."""
    has_ended = state in ("completed", "failed", "cancelled", "lost")
    has_begun = state != "spawned"
    return {
        "id": "agentid1",
        "name": None,
        "state": state,
        "run": 1,
        "exit_code": None,
        "signal": None,
        "reason": None,
        "started_at": rfc3339(END - SECOND) if has_begun else None,
        "ended_at": rfc3339(END) if has_ended else None,
        "seconds": 1.0 if has_ended else None,
        "daemon": IDENTITY if has_begun else None,
        "keeper": IDENTITY if has_begun else None,
        "child": IDENTITY if has_begun else None,
        "spawner": IDENTITY,
        "host": "here",
        "epoch": 0,
        "left": None,
        "restart": "no",
        "max_restarts": None,
        "restarts": 0,
        "no_more_restarts": None,
        **given,
    }
