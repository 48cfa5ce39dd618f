"""One process of Claude Code: its lines to whoever handles them, in order, and lines to it."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ... import process
from ...driver import DriverError, Room
from ...facts import Message
from . import protocol
from .protocol import Json

LEAVE_SECONDS = 3.0  # that it may take to save its session when its stdin ends


class Connection:
    """A process that was started. `ended` is done when all that it has said is handled, or handling has failed."""

    def __init__(self, child: Process, room: Room, handle: Callable[[Json], Awaitable[None]]) -> None:
        self._child, self._room, self._handle = child, room, handle
        self.ended = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        room: Room,
        handle: Callable[[Json], Awaitable[None]],
    ) -> Connection:
        """Start it. Raises NotInstalled."""
        return cls(await process.start(argv, cwd=cwd, env=env), room, handle)

    def send(self, message: Json) -> None:
        """Write one line, if it still reads."""
        if self._child.stdin is not None and not self._child.stdin.is_closing():
            self._child.stdin.write(protocol.line(message))

    async def drain(self) -> None:
        """Wait until it has read what was written."""
        try:
            if self._child.stdin is not None:
                await self._child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has ended, which is told where its lines end

    async def status(self) -> int | None:
        """Its exit status, when its output has ended; None where it lives on without that."""
        return await process.ended(self._child, LEAVE_SECONDS)

    async def leave(self) -> None:
        """End it: of its own will at first, so that it saves its session."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        await process.ended(self._child, LEAVE_SECONDS)
        await process.end(self._child)
        await asyncio.wait([self.ended], timeout=LEAVE_SECONDS)
        self.ended.cancel()
        await asyncio.gather(self.ended, return_exceptions=True)

    async def _read(self) -> None:
        assert self._child.stdout is not None
        while line := await self._line(self._child.stdout):
            await self._take(line)

    async def _take(self, line: bytes) -> None:
        message = protocol.read(line)
        if message is None or not protocol.is_delta(message):
            self._room.raw(line)
        if message is None:
            said = line[:200].decode(errors="replace")
            await self._room.say(Message("notice", f"not a message of Claude Code: {said}"))
        else:
            await self._handle(message)

    async def _line(self, stdout: asyncio.StreamReader) -> bytes:
        """The next line that says something; empty at the end."""
        while True:
            try:
                line = await stdout.readline()
            except ValueError as error:
                raise DriverError(f"a line of Claude Code is longer than {process.LINE_MOST >> 20} MB") from error
            if not line or line.strip():
                return line.rstrip(b"\r\n")
