"""Sessions that are events alone: what a host would have written for an agent of a kind, without host and agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.facts import IDENTITY, LIVE, happened
from swarm_store import registry, sessions
from swarm_store import session_events as said
from swarm_store.events import Event
from swarm_store.home import Home
from swarm_store.log import Log

ENDED = {"stop_reason": "end_turn", "reason": None, "denials": 0, "seconds": 1.5}


class Spoken:
    """One agent of a kind in the log of a home; what it says is written at once."""

    def __init__(self, home: Path, agent_id: str, *, kind: str = "claude", **spec: Any) -> None:
        self.home, self.id, self.run = Home(str(home)), agent_id, 1
        self.turn: int | None = None
        spawned = happened(agent_id, "agent:spawned")
        data = {**spawned.data, "kind": kind, "name": None, "command": [kind, "Fix it"], **spec}
        rest = (happened(agent_id, "agent:starting"), happened(agent_id, "agent:started"))
        with Log(self.home) as log:
            registry.publish(log, spawned._replace(data=data), *rest)

    def say(self, *events: Event) -> None:
        with Log(self.home) as log:
            sessions.say(log, self.id, *events)

    def open(self, **given: Any) -> None:
        """Its session begins."""
        facts = {"session": "5e55-10", "kind": "claude", "driver": "claude", "model": "a-model", "version": "2.0"}
        self.say(said.session_started(self.id, self.run, **{**facts, "resumed": False, **given}))

    def take(self, text: str, by: str = "ann@desk") -> int:
        """It is sent a turn, and begins it."""
        with Log(self.home) as log:
            agent = registry.get(log, self.id)
            assert agent is not None
            self.turn = sessions.send(log, agent, text, by=by)
            sessions.begin(log, self.id, self.run)
        return self.turn

    def message(self, text: str, role: str = "assistant") -> None:
        self.say(said.message(self.id, self.run, self.turn, role=role, text=text))

    def messages(self, texts: list[str]) -> None:
        """It says all of these, in few transactions."""
        made = [said.message(self.id, self.run, self.turn, role="assistant", text=text) for text in texts]
        for start in range(0, len(made), 500):
            self.say(*made[start : start + 500])

    def begin(self) -> None:
        """It begins the turn that waits."""
        with Log(self.home) as log:
            begun = sessions.begin(log, self.id, self.run)
        self.turn = begun.turn if begun else None

    def tool(
        self, call: str, name: str, input: dict[str, Any], output: str | None = None, status: str = "completed"
    ) -> None:
        """It uses a tool, which gives `output` if that is said."""
        self.say(said.tool_called(self.id, self.run, self.turn, call=call, name=name, title=name, input=input))
        if output is not None:
            self.finished(call, output, status)

    def finished(self, call: str, output: str, status: str = "completed") -> None:
        self.say(said.tool_finished(self.id, self.run, self.turn, call=call, status=status, output=output))

    def ask(self, approval: str, command: str = "git push", **given: Any) -> None:
        """It asks to be allowed a command, and waits."""
        asked: dict[str, Any] = {"call": "c1", "tool": "Bash", "title": command, "input": {"command": command}}
        asked |= {"options": [], "deferred": False, "editable": True, "until": None, **given}
        self.say(said.approval_requested(self.id, self.run, self.turn, approval=approval, **asked))
        with Log(self.home) as log:
            sessions.wait(log, self.id, self.run, "approval")

    def go_on(self, approval: str) -> None:
        """It has its answer."""
        self.say(said.approval_delivered(self.id, self.run, approval))
        with Log(self.home) as log:
            sessions.resume(log, self.id, self.run)

    def use(self, *, input: int = 0, output: int = 0, cost: int | None = 0, **given: Any) -> None:
        given = {"model": "a-model", **given}
        self.say(said.usage_reported(self.id, self.run, self.turn, input=input, output=output, cost=cost, **given))

    def complete(self, outcome: str = "completed", **given: Any) -> None:
        """The turn is over."""
        assert self.turn is not None
        self.say(said.turn_completed(self.id, self.run, self.turn, outcome=outcome, **{**ENDED, **given}))

    def end(self) -> None:
        """Its run ends."""
        with Log(self.home) as log:
            registry.publish(log, happened(self.id, "agent:exited", outcome="completed"))


def end_all(home: Path) -> None:
    """End whoever lives by events alone."""
    with Log(Home(str(home))) as log:
        for agent in registry.agents(log):
            if agent["state"] in LIVE and agent["kind"] is not None and agent["child"] == IDENTITY:
                registry.publish(log, happened(agent["id"], "agent:exited", outcome="completed", run=agent["run"]))
