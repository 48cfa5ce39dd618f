"""The end of a run's whole tree: a signal to the group and whoever left it, a grace period, KILL until none is left.

Nothing here waits: `advance` does what is due, `files` says what to sleep on and `due_in` for how long at most. It is
written down before anybody is signalled, so that the successor of a daemon that is killed meanwhile goes on with it.
"""

from __future__ import annotations

import os
import time

from swarm_store.codec import decode, encode

from . import tree
from .process import Identity, open_verified, send, send_group
from .signals import signal
from .watch import is_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .run import Run

ROOM = 256  # bytes; what is written over them needs no room on a full disk
KILL_AGAIN_SECONDS = 0.1  # a tree that forks while it is killed is killed again
KILL_AGAIN_MOST = 5.0  # and one that cannot be killed (a disk that does not answer) is not asked ten times a second


class Ending:
    """The end of one run, under way. `reason` is what it is recorded as, `deadline` when it is killed (monotonic)."""

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
        self.is_remembered = False  # whether a successor would know of it
        self._run = run
        self._keeper = keeper
        self._child = child
        self._files: list[int] = []
        self._pause = KILL_AGAIN_SECONDS
        self.deadline = time.monotonic() + grace
        self.is_done = False

    def begin(self) -> None:
        """The first signal: the group first, then whoever has left it. A stopped process is continued, to hear it."""
        self._remember()
        self._send(self.signum)
        if self.signum not in (signal.SIGKILL, signal.SIGSTOP):
            self._send(signal.SIGCONT)

    def hasten(self, grace: float) -> None:
        """A later, more impatient wish: never lengthens the grace period."""
        self.deadline = min(self.deadline, time.monotonic() + grace)
        self._remember()

    def advance(self) -> None:
        """Do what is due, and see whether the tree is gone."""
        due = time.monotonic() >= self.deadline
        if not due and self._files and not any(map(is_readable, self._files)):
            return
        if due:
            self._send(signal.SIGKILL)
            self.deadline = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, KILL_AGAIN_MOST)
        left = tree.members(self._run, self._keeper, self._child)
        self.close()
        self._files = [file for file in map(open_verified, left) if file is not None]
        self.is_done = not left

    def files(self) -> list[int]:
        """pidfds of those that are left: one becomes readable when its process ends."""
        return self._files

    def due_in(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files = []

    def _remember(self) -> None:
        record = {"reason": self.reason, "signum": self.signum, "deadline": self.deadline}
        try:
            _write(self._run, encode(record))
            self.is_remembered = True
        except OSError:
            self.is_remembered = False  # a run whose files are gone

    def _send(self, signum: int) -> None:
        others = tree.members(self._run, self._keeper, self._child)
        reached = self._child.pid if self._child and send_group(self._child, signum) else None
        for one in others:
            if reached is None or _group(one) != reached:
                send(one, signum)


def resume(run: Run, keeper: Identity | None, child: Identity | None) -> Ending | None:
    """The ending that another daemon of the run had begun; begun again, as it may not have signalled anybody yet."""
    begun = _read(run)
    if begun is None:
        return None
    grace = max(0.0, begun["deadline"] - time.monotonic())
    ending = Ending(run, keeper, child, reason=begun["reason"], signum=begun["signum"], grace=grace)
    ending.begin()
    return ending


def make_room(run: Run) -> None:
    """Have room for how the run is ended, before it runs: it may be on a full disk. Raises OSError."""
    _write(run, "")


def _write(run: Run, text: str) -> None:
    file = os.open(run.ending, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(file, text.ljust(ROOM).encode("ascii"), 0)
    finally:
        os.close(file)


def _read(run: Run) -> dict[str, Any] | None:
    try:
        with open(run.ending, encoding="ascii") as file:
            record: dict[str, Any] = decode(file.read().strip())
    except (FileNotFoundError, ValueError):
        return None  # it has not been begun
    return record


def _group(who: Identity) -> int | None:
    try:
        return os.getpgid(who.pid)
    except OSError:
        return None
