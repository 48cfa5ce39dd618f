"""A room for drivers that are tried without a host: it keeps what is said, and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swarm_store import codec
from swarmctl.host.driver import Interrupted, SessionSpec
from swarmctl.host.facts import Answer, Message, Permission, Said, ToolFinished, Usage

Answering = Callable[[Permission], Answer | None]


def yes(wish: Permission) -> Answer | None:
    return Answer(True)


def nobody(wish: Permission) -> Answer | None:
    return None


class Room:
    """`answering` gives the answer to a wish, or None where nobody does; `asked` are all wishes."""

    def __init__(self, answering: Answering = yes) -> None:
        self.answering = answering
        self.said: list[Said] = []
        self.asked: list[Permission] = []
        self.deltas: list[tuple[str, str]] = []
        self.lines: list[bytes] = []
        self.delivered: list[str] = []
        self.waiting = asyncio.Event()

    async def say(self, *said: Said) -> None:
        for one in said:
            codec.encode(one._asdict())  # or raises, as the log does
        self.said += said

    def live(self, role: str, text: str) -> None:
        self.deltas.append((role, text))

    def raw(self, line: bytes) -> None:
        self.lines.append(line)

    async def ask(self, wish: Permission) -> Answer:
        self.asked.append(wish)
        answer = self.answering(wish)
        if answer is None:
            self.waiting.set()
            await asyncio.Event().wait()
            raise Interrupted
        return answer

    def pending(self, call: str) -> Answer | None:
        self.delivered.append(call)
        return None

    @property
    def texts(self) -> list[str]:
        """What the agent has said."""
        return [one.text for one in self.said if isinstance(one, Message) and one.role == "assistant"]

    @property
    def finished(self) -> list[tuple[str, str]]:
        """What became of its calls: status, output."""
        return [(one.status, one.output) for one in self.said if isinstance(one, ToolFinished)]

    @property
    def used(self) -> Usage:
        """The sum of what it has reported."""
        total = Usage(None, cost=0)
        for one in self.said:
            if isinstance(one, Usage):
                sums = {name: getattr(total, name) + getattr(one, name) for name in Usage._fields[1:6]}
                total = Usage(one.model, **sums, cost=(total.cost or 0) + (one.cost or 0))
        return total


def spec(place: Path, **given: Any) -> SessionSpec:
    """The session of an agent `a1` whose home is `place`/home and which works in `place`/work."""
    for path in (place / "work", place / "home" / "agents" / "a1"):
        path.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {
        "kind": "test",
        "command": None,
        "env": {},
        "cwd": str(place / "work"),
        "model": "canned-1",
        "options": {},
        "with_swarm": False,
        "counted": {},
        "agent_id": "a1",
        "home": str(place / "home"),
        "run_path": str(place),
    }
    return SessionSpec(**{**known, **given})
