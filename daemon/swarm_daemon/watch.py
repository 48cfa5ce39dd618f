"""How the child ended, from whoever is left to tell, exactly or not at all.

A daemon is its child's parent; but it only looks (WNOWAIT) and never reaps: the zombie is the record that outlives it.
A successor is no parent: it reads the zombie's status where the kernel shows it. Each that sees the end also writes it
down in the run's `exit`, for the case that the keeper is killed before it is in the log. Otherwise it is unknown.
"""

from __future__ import annotations

import os
import select

from .process import Identity, is_ours, open_verified, stat_fields
from .run import read_record, write_aside
from .signals import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .run import Run

UNKNOWN = "nobody was left to see how it ended"
_TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat, counted from the state: see proc(5).
_USER, _SYSTEM, _WAITED_USER, _WAITED_SYSTEM, _EXIT_CODE = 11, 12, 13, 14, 49


class Watch:
    """Watches a run's child; `end` is None as long as it goes on."""

    def __init__(self, run: Run, child: Identity | None) -> None:
        self._run = run
        self._child = child
        self._file = open_verified(child)
        self._end: dict[str, Any] | None = None

    def files(self) -> list[int]:
        """What to sleep on: readable when the child has ended."""
        return [] if self._file is None or self._end else [self._file]

    def end(self) -> dict[str, Any] | None:
        """How the child ended: exit_code and signal (both None where unknown), reason, resources."""
        if self._end is None and (self._file is None or is_readable(self._file)):
            self._end = self._look() or read_record(self._run.exit) or _unknown()
            self._write_down()
        return self._end

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _look(self) -> dict[str, Any] | None:
        """The status that the kernel still keeps; None where the zombie is gone or its status is not ours to see."""
        if self._child is None or self._file is None:
            return None
        fields = stat_fields(self._child.pid)
        if fields is None or fields[0] != "Z":
            return None
        try:
            seen = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return _ended(int(fields[_EXIT_CODE]), fields) if is_ours(self._child.pid) else None
        if seen is None:
            return None
        killed = seen.si_code != os.CLD_EXITED
        return _ended(seen.si_status if killed else seen.si_status << 8, fields)

    def _write_down(self) -> None:
        try:
            write_aside(self._run.exit, self._end or {})
        except OSError:
            pass  # the zombie still says it


def _ended(status: int, fields: list[str]) -> dict[str, Any]:
    killed = os.WIFSIGNALED(status)
    return {
        "exit_code": None if killed else os.WEXITSTATUS(status),
        "signal": name_of(os.WTERMSIG(status)) if killed else None,
        "reason": None,
        # Of the child and the descendants that it waited for.
        "resources": {
            "user_seconds": (int(fields[_USER]) + int(fields[_WAITED_USER])) / _TICKS,
            "system_seconds": (int(fields[_SYSTEM]) + int(fields[_WAITED_SYSTEM])) / _TICKS,
        },
    }


def _unknown() -> dict[str, Any]:
    return {"exit_code": None, "signal": None, "reason": UNKNOWN, "resources": None}


def is_readable(file: int) -> bool:
    return is_readable_within(file, 0)


def is_readable_within(file: int, seconds: float) -> bool:
    """Whether `file` becomes readable in that time; a pidfd is when its process has ended."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
