"""A pseudo-terminal, as the command's controlling one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

from support.cli import DEADLINE, SWARMCTL, Result, Swarm

_TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A terminal with one command in it; `close` hangs up, as closing the window does."""

    def __init__(self, swarm: Swarm, *command: str, columns: int = 80, rows: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        take_it = [sys.executable, "-c", _TAKE, *command]
        self.process = swarm.start_command(take_it, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.seen = b""

    def read(self, wanted: bytes | None = None) -> bytes:
        """Everything shown until `wanted` has come, or until the end."""
        deadline = time.monotonic() + DEADLINE
        while wanted is None or wanted not in self.seen:
            assert time.monotonic() < deadline, f"{wanted!r} did not come: {self.seen!r}"
            if not select.select([self._ours], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self._ours, 65536)
            except OSError:  # nobody has the other side any more
                piece = b""
            if not piece:
                break
            self.seen += piece
        return self.seen

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[object]:
        """How the terminal is set: echo, line by line, and the like."""
        return termios.tcgetattr(self._ours)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def close(self) -> None:
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1


def on_terminal(swarm: Swarm, *args: str, columns: int = 80, **env: str) -> Result:
    """Run swarmctl on a terminal; what was shown there."""
    command = ["env", *(f"{name}={value}" for name, value in env.items()), SWARMCTL, *args]
    terminal = Terminal(swarm, *command, columns=columns)
    try:
        shown = terminal.read()
        return Result(terminal.process.wait(DEADLINE), shown, b"")
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it did not end: {terminal.seen!r}") from None
    finally:
        terminal.close()
