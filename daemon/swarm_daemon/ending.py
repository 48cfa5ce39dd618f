"""The end of a run's whole tree: a signal to the group and whoever left it, a grace period, KILL until none is left.

Nothing here waits: `advance` does what is due, `files` says what to sleep on and `due_in` for how long at most.
"""

from __future__ import annotations

import os
import time

from . import tree
from .process import Identity, open_verified, send, send_group
from .signals import signal
from .watch import is_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .run import Run

KILL_AGAIN_SECONDS = 0.1  # a tree that forks while it is killed is killed again


class Ending:
    """The end of one run, under way. `reason` is what it is recorded as: cancel or timeout."""

    def __init__(
        self,
        run: Run,
        keeper: Identity | None,
        child: Identity | None,
        *,
        reason: str,
        signum: int,
        grace: float,
    ):
        self.reason = reason
        self.signum = signum
        self._mark = run.mark
        self._keeper = keeper
        self._child = child
        self._files: list[int] = []
        self._deadline = time.monotonic() + grace
        self.is_done = False

    def begin(self) -> None:
        """The first signal: the group first, then whoever has left it. A stopped process is continued, to hear it."""
        self._send(self.signum)
        if self.signum not in (signal.SIGKILL, signal.SIGSTOP):
            self._send(signal.SIGCONT)

    def hasten(self, grace: float) -> None:
        """A later, more impatient wish: never lengthens the grace period."""
        self._deadline = min(self._deadline, time.monotonic() + grace)

    def advance(self) -> None:
        """Do what is due, and see whether the tree is gone."""
        due = time.monotonic() >= self._deadline
        if not due and self._files and not any(map(is_readable, self._files)):
            return
        if due:
            self._send(signal.SIGKILL)
            self._deadline = time.monotonic() + KILL_AGAIN_SECONDS
        left = tree.members(self._mark, self._keeper, self._child)
        self.close()
        self._files = [file for file in map(open_verified, left) if file is not None]
        self.is_done = not left

    def files(self) -> list[int]:
        """pidfds of those that are left: one becomes readable when its process ends."""
        return self._files

    def due_in(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files = []

    def _send(self, signum: int) -> None:
        others = tree.members(self._mark, self._keeper, self._child)
        reached = self._child.pid if self._child and send_group(self._child, signum) else None
        for one in others:
            if reached is None or _group(one) != reached:
                send(one, signum)


def _group(who: Identity) -> int | None:
    try:
        return os.getpgid(who.pid)
    except OSError:
        return None
