"""A recording in place of a process of Claude Code, in this process: whole, or as it should not be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from support.played_claude import Played, Recording
from swarmctl.host.driver import Room
from swarmctl.host.drivers.claude import protocol
from swarmctl.host.drivers.claude.connection import Connection
from swarmctl.host.drivers.claude.protocol import Json

Spoil = Callable[[int, list[str]], list[str]]  # what comes in place of these lines, the first of which is the nth


class Stage:
    """Plays a recording's processes, one after the other. `die_after`: the lines, of all, after which it is dead."""

    def __init__(self, recording: Recording, *, spoil: Spoil | None = None, die_after: int | None = None) -> None:
        self._recording, self._spoil, self._die_after = recording, spoil, die_after
        self.played: list[Played] = []
        self.written: list[Json] = []
        self.said = 0

    async def start(
        self,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        room: Room,
        handle: Callable[[Json], Awaitable[None]],
    ) -> Connection:
        """As Connection.start."""
        number = len(self.played)
        steps = self._recording.processes[number] if number < len(self._recording.processes) else []
        self.played.append(Played(steps, list(argv)))
        return PlayedConnection(self, self.played[-1], room, handle)

    def spoil(self, lines: list[str]) -> list[str | None]:
        """The lines as they come; None is the end."""
        first, self.said = self.said, self.said + len(lines)
        if self._die_after is not None and self.said > self._die_after:
            return [*lines[: max(0, self._die_after - first)], None]
        return [*(self._spoil(first, lines) if self._spoil else lines)]


class PlayedConnection(Connection):
    def __init__(self, stage: Stage, played: Played, room: Room, handle: Callable[[Json], Awaitable[None]]) -> None:
        self._stage, self._played = stage, played
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._queue(played.begin())
        self._room, self._handle = room, handle
        self.ended = asyncio.create_task(self._read())

    def _queue(self, lines: list[str]) -> None:
        for line in self._stage.spoil(lines):
            self._lines.put_nowait(line)

    def send(self, message: Json) -> None:
        self._stage.written.append(message)
        self._queue(self._played.hear(protocol.line(message).decode()))

    async def drain(self) -> None: ...

    async def status(self) -> int:
        return 0

    async def leave(self) -> None:
        self._lines.put_nowait(None)
        await asyncio.wait([self.ended])

    async def _read(self) -> None:
        while (line := await self._lines.get()) is not None:
            await self._take(line.encode())
