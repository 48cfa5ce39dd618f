"""An agent's tree as its MCP server has it: the log is opened for each call, and asked anew whose tree it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from swarm_daemon.run import Run
from swarm_store import registry
from swarm_store.errors import CannotStart
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import Log

from . import access

# Of what an agent may do unasked, and what it has without being one of a kind.
_INHERITED: dict[str, Any] = {
    "approve": "ask",
    "allow": [],
    "deny": [],
    "approval_timeout": None,
    "resume_after_quota": False,
}


class Inside(NamedTuple):
    """One call's view: an open log, the agent that calls, and those of its tree."""

    log: Log
    own: Agent
    agents: list[Agent]

    def environment(self) -> dict[str, str]:
        """What a child begins with: all that the agent was started with, as if it had spawned the child itself.

        The MCP server's own is what the agent's command line made of that, and may lack what children need.
        """
        try:
            kept: dict[str, str] = Run(self.log.home, self.own["id"], self.own["run"]).spec()["env"]
        except CannotStart:  # its files are gone, and it goes on
            kept = {name: value for name, value in os.environ.items() if name != "SWARM_TOKEN"}
        return {**kept, "SWARM_AGENT_ID": self.own["id"], "SWARM_DEPTH": str(self.own["depth"])}

    def asked(self, kind: str, prompt: str | None, model: str | None, with_swarm: bool) -> dict[str, Any]:
        """What an AI agent is asked to be: unasked it may do what the caller may, and a person answers for the rest."""
        from .. import prompting  # what few calls need

        try:
            own: dict[str, Any] = Run(self.log.home, self.own["id"], self.own["run"]).spec().get("session") or {}
        except CannotStart:
            own = {}
        may = {name: own.get(name, by_default) for name, by_default in _INHERITED.items()}
        asked = {
            "agent": kind,
            "prompt": prompt,
            "model": model,
            "with_swarm": with_swarm,
            "session": None,
            "stay": False,
            "by_agent": True,
        }
        return prompting.check({**asked, **may})


class Tree:
    """The tree that a token opens."""

    def __init__(self, home: Home, token: str) -> None:
        self._home = home
        self._token = token

    @contextmanager
    def enter(self, **how: Any) -> Iterator[Inside]:
        """The tree as it is now. Raises AccessRefused where the token opens nothing (any more), LogUnusable."""
        with Log(self._home, create=False, **how) as log:
            own = access.check(log, self._token)
            below = [one for one in registry.tree(log, own["id"]) if one["id"] != own["id"]]
            yield Inside(log, own, below)
