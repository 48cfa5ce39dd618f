"""One agent of a kind, as the tests of real agents handle it."""

from __future__ import annotations

import os
import signal
from typing import Any

from agents.homes import DEADLINE
from support.canned import Canned, Served, Tokens
from support.cli import Swarm
from support.looking import until

SPEAKS = {
    "claude": "anthropic",
    "claude-acp": "anthropic",
    "codex": "responses",
    "opencode": "chat",
    "gemini": "gemini",
}
KINDS = tuple(SPEAKS)


class Agent:
    """A spawned agent, what the log has of it, and what the canned API was asked by it."""

    def __init__(self, swarm: Swarm, canned: Canned, kind: str, prompt: str, *options: str) -> None:
        self.swarm, self.canned, self.kind = swarm, canned, kind
        self.id = swarm.spawn("--agent", kind, *options, prompt)

    @property
    def served(self) -> Served:
        return self.canned.served(SPEAKS[self.kind])

    @property
    def users(self) -> tuple[str, ...]:
        """The user's turns, as the API was told them last."""
        return list(self.served.conversations.values())[-1].users

    def events(self, type: str) -> list[dict[str, Any]]:
        """The data of its events of one type, in order."""
        return [event["data"] for event in self.swarm.json("events", self.id) if event["type"] == type]

    @property
    def outcomes(self) -> list[str]:
        return [one["outcome"] for one in self.events("turn:completed")]

    @property
    def says(self) -> list[str]:
        return [one["text"] for one in self.events("message") if one["role"] == "assistant"]

    @property
    def used(self) -> Tokens:
        """The sum of what its events say it used."""
        total = Tokens()
        for one in self.events("usage:reported"):
            total = total.plus(Tokens(*(one[name] for name in Tokens._fields)))
        return total

    def wait(self) -> int:
        """Its status, when it has ended."""
        return self.swarm.run("wait", self.id).status

    def send(self, text: str) -> int:
        """Send a turn, and wait for its end; the status of that."""
        return self.swarm.run("send", "--wait", self.id, text).status

    def asks(self) -> dict[str, Any]:
        """The approval that it waits for, once there is one."""

        def pending() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = self.swarm.json("approvals", self.id)
            return found

        return until(pending, f"{self.kind} asks: {self.swarm.logs(self.id)!r}", seconds=DEADLINE)[0]

    def kill(self, who: str) -> None:
        """kill -9 of its `daemon`, or of its host (`child`), with which the agent's own process dies."""
        os.kill(self.swarm.agent(self.id)[who]["pid"], signal.SIGKILL)
        if who == "child":
            self.wait()

    def restart(self) -> int:
        """Another run, as a policy would start it; the status that it ends with."""
        self.swarm.ok("restart", self.id)
        return self.wait()
