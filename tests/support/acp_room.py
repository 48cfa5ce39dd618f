"""The driver of ACP in a test: a room that answers as was answered in a recording, and what was said in it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from support.played_acp import CANCEL, Json, Played, Recording, line_of
from swarmctl.host import process as processes
from swarmctl.host.driver import DriverError, Interrupted, SessionSpec
from swarmctl.host.drivers.acp import AcpDriver
from swarmctl.host.drivers.acp import peer as peers
from swarmctl.host.facts import Answer, Completed, Message, Opened, Permission, Said, ToolCalled, ToolFinished

DEADLINE = 10.0  # seconds for one turn


class Room:
    """What a driver says is in `said`; what it shows and keeps raw in `shown` and `lines`."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.said: list[Said] = []
        self.shown: list[str] = []
        self.lines: list[bytes] = []
        self.asked: list[Permission] = []
        self.answers = answers or {}
        self.answer = Answer(True)  # where no answer is known
        self.has_shown = asyncio.Event()

    async def say(self, *said: Said) -> None:
        self.said += said

    def live(self, role: str, text: str) -> None:
        self.shown.append(text)
        self.has_shown.set()

    def raw(self, line: bytes) -> None:
        self.lines.append(line)

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait until something is so of what is shown."""
        while not met():
            self.has_shown.clear()
            await self.has_shown.wait()

    async def ask(self, wish: Permission) -> Answer:
        self.asked.append(wish)
        kind = self.answers.get(wish.call)
        if kind == "cancelled":
            raise Interrupted
        return self.answer if kind is None else Answer(kind.startswith("allow"))

    def pending(self, call: str) -> Answer | None:
        return None


def config(command: list[str], cwd: Path | str = "/", **said: Any) -> SessionSpec:
    """What a host would say."""
    whole: dict[str, Any] = {
        "kind": "acp",
        "command": command,
        "env": {},
        "cwd": str(cwd),
        "model": None,
        "options": {},
        "with_swarm": False,
        "counted": {},
        "agent_id": "a1",
        "home": "/",
        "run_path": "/",
    }
    return SessionSpec(**(whole | said))


def told(said: Iterable[Said]) -> list[str]:
    """Facts, a line each."""
    return [_line(fact) for fact in said]


def _line(fact: Said) -> str:
    if isinstance(fact, Message):
        return f"{fact.role}: {' '.join(fact.text.split())[:60]}"
    if isinstance(fact, ToolCalled):
        given = fact.input.get("command") or fact.input.get("path") or fact.title
        return f"call {fact.name}: {given}"
    if isinstance(fact, ToolFinished):
        return f"{fact.status}: {' '.join(fact.output.split())[:40]}".rstrip()
    cost = "" if fact.cost is None else f" ${fact.cost}"
    counts = f"{fact.input} {fact.cache_read} {fact.output} {fact.reasoning}"
    return f"used {counts}{cost} of {fact.model}"


class Talk:
    """What came of a conversation: `opened`, how each turn ended, and what has ended it all before its time."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.opened: Opened | None = None
        self.completed: list[Completed] = []
        self.error: Exception | None = None

    @property
    def outcomes(self) -> list[str]:
        return [one.outcome for one in self.completed]


class Agent:
    """The recorded agent as a task of this process, with what the driver needs of a process.

    `spoil` makes lines of each that it says: none, to leave it out, or two. It ends after `cut` lines.
    """

    def __init__(self, recording: Recording, spoil: Callable[[bytes], list[bytes]], cut: int | None) -> None:
        self._played, self._spoil, self._left = Played(recording), spoil, cut
        self._tasks: list[asyncio.Task[None]] = []
        self.driver: AcpDriver | None = None
        self.returncode: int | None = None
        self.pid = -1

    async def start(self, *_: Any, **__: Any) -> Agent:
        ours, its = socket.socketpair()
        self.stdout, self.stdin = await asyncio.open_connection(sock=ours)
        self._tasks.append(asyncio.create_task(self._run(*await asyncio.open_connection(sock=its))))
        return self

    async def end(self, *_: Any) -> None:
        self.stdin.close()
        await asyncio.gather(*self._tasks)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                for message in self._played.hear(json.loads(line)):
                    for spoilt in self._spoil(line_of(message)):
                        if self._left == 0:
                            return
                        self._left = None if self._left is None else self._left - 1
                        writer.write(spoilt)
                await writer.drain()
                self._interrupt()
        except ConnectionError:
            pass
        finally:
            self.returncode = 3
            writer.close()

    def _interrupt(self) -> None:
        """Where the client had cancelled, have it do so."""
        awaited: Json = self._played.awaited or {}
        if awaited.get("method") == CANCEL and self.driver is not None:
            self._tasks.append(asyncio.create_task(self.driver.interrupt()))


def talk(
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
    *,
    spoil: Callable[[bytes], list[bytes]] = lambda line: [line],
    cut: int | None = None,
) -> Talk:
    """Have the conversation again with the driver, in this process."""
    agent = Agent(recording, spoil, cut)
    monkeypatch.setattr(processes, "start", agent.start)
    monkeypatch.setattr(processes, "end", agent.end)
    monkeypatch.setattr(peers, "LEAVE_SECONDS", 0.0)
    done = Talk(Room(recording.answers()))
    agent.driver = AcpDriver(config(["agent"], options=recording.options), done.room)
    asyncio.run(converse(agent.driver, recording, done))
    return done


async def converse(driver: AcpDriver, recording: Recording, done: Talk) -> None:
    """Say what was said then."""
    try:
        async with asyncio.timeout(DEADLINE):
            done.opened = await driver.open(recording.session)
            for prompt in recording.prompts:
                done.completed.append(await driver.prompt(prompt))
    except DriverError as error:
        done.error = error
    finally:
        await driver.close()
