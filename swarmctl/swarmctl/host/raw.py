"""What comes from an agent, byte for byte, on its way to the run's stdout.

A pipe whose reader may be dead for a while: a thread writes, so that the event loop never waits in a write. What is on
its way is bounded: `room` waits until there is some, and with it whoever reads from the agent.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from threading import Condition, Thread

MOST_BYTES = 1 << 20


class Raw:
    """The run's stdout, from the event loop's thread."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._changed = Condition()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        Thread(target=self._write_all, name="raw", daemon=True).start()

    def write(self, line: bytes) -> None:
        """Take one more line, in any case."""
        with self._changed:
            self._lines.append(line + b"\n")
            self._bytes += len(line) + 1
            self._is_empty.clear()
            if self._bytes > MOST_BYTES:
                self._has_room.clear()
            self._changed.notify()

    async def room(self) -> None:
        """Wait until what is on its way is little."""
        await self._has_room.wait()

    async def flush(self, seconds: float | None) -> None:
        """Wait until all is written, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_empty.wait()
        except TimeoutError:
            return

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._lines:
                    self._changed.wait()
                line = self._lines.popleft()
            try:
                self._write(line)
            except OSError:
                pass  # closed: nobody wants it
            with self._changed:
                self._bytes -= len(line)
                self._tell()

    def _write(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[os.write(self._file, left) :]

    def _tell(self) -> None:
        """Say to the loop's thread how it stands; that may be gone by now."""
        try:
            if self._bytes <= MOST_BYTES // 2 and not self._has_room.is_set():
                self._loop.call_soon_threadsafe(self._say_room)
            if not self._bytes:
                self._loop.call_soon_threadsafe(self._say_empty)
        except RuntimeError:
            pass

    def _say_room(self) -> None:
        if self._bytes <= MOST_BYTES:
            self._has_room.set()

    def _say_empty(self) -> None:
        if not self._bytes:
            self._is_empty.set()
