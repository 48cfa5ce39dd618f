"""A signal for an agent, as somebody has asked for it: to which processes it goes, and when.

It goes to the child's process group; where the run has a terminal, to what is in its foreground, as Ctrl-C would there.
A writer to the log may be among them: a session's host, or a `swarmctl` that the agent has started. One that is stopped
while it holds the write lock keeps everybody else out, so a signal that stops is sent by who holds that lock, and the
lock is let go once they have stopped.
"""

from __future__ import annotations

import os
import time

from swarm_store.errors import LogBusy

from . import tree
from .process import open_verified, stat_fields
from .signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_store.log import Log

    from .process import Identity

_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_MOST_SECONDS = 0.2  # one that handles SIGTSTP, or is in the kernel for long, does not stop: writers wait no longer
_GROUP, _FOREGROUND = 2, 5  # in /proc/<pid>/stat, counted from the state: see proc(5)


def send_agent(log: Log, child: Identity | None, signum: int, *, tty: bool) -> bool:
    """Signal the processes that a signal for the agent is meant for; whether there were any."""
    file = open_verified(child)
    if file is None or child is None:
        return False
    try:  # while the child is there, neither its group's number nor its session's is reused
        group = _foreground(child.pid) if tty else child.pid
        if group is None:
            return False
        return _stop(log, group, signum) if signum in _STOPS else _send(group, signum)
    finally:
        os.close(file)


def _send(group: int, signum: int) -> bool:
    try:
        os.killpg(group, signum)
    except OSError:
        return False
    return True


def _stop(log: Log, group: int, signum: int) -> bool:
    assert log.lock is not None
    try:
        log.lock.acquire()
    except LogBusy:
        return _send(group, signum)  # somebody was stopped in a write before: it can get no worse
    try:
        deadline = time.monotonic() + _MOST_SECONDS
        reached = _send(group, signum)
        while reached and not _is_stopped(group) and time.monotonic() < deadline:
            time.sleep(0.001)  # who waits for the lock is in line for it until then
        return reached
    finally:
        log.lock.release()


def _is_stopped(group: int) -> bool:
    """Whether nobody in the group runs."""
    for name in os.listdir("/proc"):
        fields = stat_fields(int(name)) if name.isdigit() else None
        if fields is not None and fields[_GROUP] == str(group) and fields[0] not in "TtZX":
            return False
    return True


def _foreground(host: int) -> int | None:
    """The terminal's foreground group, as the host's child has it: the program, which leads the terminal's session."""
    for pid in tree.children(host):
        fields = stat_fields(pid)
        if fields is not None and fields[0] not in "ZX" and int(fields[_FOREGROUND]) > 0:
            return int(fields[_FOREGROUND])
    return None
