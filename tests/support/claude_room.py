"""A driver's room that keeps what it is told, and answers as it is asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from swarmctl.host.driver import Interrupted, SessionSpec
from swarmctl.host.facts import Answer, Message, Permission, Said, ToolCalled, ToolFinished, Usage

Decide = Callable[[Permission], Answer | None]


class KeepingRoom:
    """`decide`: what is answered at once; None is for `answer` later."""

    def __init__(self, decide: Decide = lambda wish: None) -> None:
        self.decide = decide
        self.said: list[Said] = []
        self.parts: list[tuple[str, str]] = []
        self.lines: list[bytes] = []
        self.asked: list[Permission] = []
        self.answered: dict[str, Answer] = {}
        self.changed = asyncio.Condition()
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    async def say(self, *said: Said) -> None:
        self.said += said
        await self._notify()

    def live(self, role: str, text: str) -> None:
        self.parts.append((role, text))
        asyncio.get_running_loop().create_task(self._notify())

    def raw(self, line: bytes) -> None:
        self.lines.append(line)

    async def ask(self, wish: Permission) -> Answer:
        self.asked.append(wish)
        answer = self.decide(wish)
        if answer is None:
            waiting = self._waiting[wish.call] = asyncio.get_running_loop().create_future()
            await self._notify()
            answer = await waiting
        return answer

    def pending(self, call: str) -> Answer | None:
        return self.answered.pop(call, None)

    # -- for tests

    def answer(self, granted: bool, **more: Any) -> None:
        """Answer what is asked just now."""
        self._waiting[self.asked[-1].call].set_result(Answer(granted, **more))

    def interrupt(self) -> None:
        """Whoever asks is answered no more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Interrupted())

    async def until(self, met: Callable[[KeepingRoom], Any], seconds: float = 20) -> None:
        """Wait until something is so."""
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: met(self)), seconds)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def texts(self, role: str = "assistant") -> list[str]:
        return [one.text for one in self.said if isinstance(one, Message) and one.role == role]

    def calls(self) -> list[ToolCalled]:
        return [one for one in self.said if isinstance(one, ToolCalled)]

    def finished(self) -> list[ToolFinished]:
        return [one for one in self.said if isinstance(one, ToolFinished)]

    def usage(self) -> list[Usage]:
        return [one for one in self.said if isinstance(one, Usage)]


def spec(cwd: str, command: list[str], env: dict[str, str] | None = None, **more: Any) -> SessionSpec:
    """What a driver is made with, for a test."""
    given: dict[str, Any] = {
        "kind": "claude",
        "command": command,
        "env": env or {},
        "cwd": cwd,
        "model": None,
        "options": {},
        "with_swarm": False,
        "counted": {},
        "agent_id": "tester",
        "home": cwd,
        "run_path": cwd,
    }
    return SessionSpec(**{**given, **more})
