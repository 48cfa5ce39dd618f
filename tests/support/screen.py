"""What a person sees: a pseudo-terminal whose bytes go through a terminal emulator."""

from __future__ import annotations

import os
import re
import select
import time

import pyte

from support.cli import DEADLINE, Swarm
from support.terminal import Terminal

# What a terminal is asked and told beyond what the emulator knows: whether it has a mode, and its keyboard protocol.
_UNKNOWN = re.compile(rb"\x1b\[(?:\?[0-9;]*\$p|[<>=][0-9;]*[a-z])")


class Screen(Terminal):
    """A terminal with a command in it, as a picture of characters."""

    def __init__(self, swarm: Swarm, *command: str, columns: int = 100, rows: int = 30) -> None:
        self.picture = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.picture)
        super().__init__(swarm, *command, columns=columns, rows=rows)

    def resize(self, columns: int, rows: int) -> None:
        super().resize(columns, rows)
        self.picture.resize(rows, columns)

    @property
    def lines(self) -> list[str]:
        return list(self.picture.display)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)

    def line_with(self, words: str) -> int:
        """The number of the first line that has `words`; fails where none has."""
        return next(number for number, line in enumerate(self.lines) if words in line)

    def colour(self, words: str) -> str:
        """The colour of the first character of `words`."""
        line = self.line_with(words)
        return str(self.picture.buffer[line][self.lines[line].index(words)].fg)

    def see(self, *wanted: str, without: str | None = None) -> str:
        """Wait until all of `wanted` is on the screen, and `without` is not; what is there then."""
        deadline = time.monotonic() + DEADLINE
        self._look(0)
        while not (all(one in self.text for one in wanted) and (without is None or without not in self.text)):
            assert time.monotonic() < deadline, f"{wanted!r} without {without!r} did not come:\n{self.text}"
            assert self._look(0.1), f"it ended before {wanted!r}:\n{self.text}"
        return self.text

    def end(self) -> int:
        """Everything until the command ends; its status."""
        deadline = time.monotonic() + DEADLINE
        while self._look(0.1):
            assert time.monotonic() < deadline, f"it did not end:\n{self.text}"
        return self.process.wait(DEADLINE)

    def _look(self, seconds: float) -> bool:
        """Take up what comes within a moment; False once nobody has the other side."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self._ours, 65536)
        except OSError:
            return False
        self.seen += piece
        self._stream.feed(_UNKNOWN.sub(b"", piece))
        return bool(piece)
