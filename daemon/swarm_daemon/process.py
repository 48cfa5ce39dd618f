"""Who a process is: its PID, the start time the kernel gave it, and the boot it belongs to.

A PID alone is nobody: it is reused. What cannot be verified is "not mine" and is never signalled; every check opens a
pidfd first and compares afterwards, so that the process checked is the process signalled (as filelock's owner check
does, this fails closed).
"""

from __future__ import annotations

import os
from collections import namedtuple

from .signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Identity(namedtuple("Identity", ("pid", "start", "boot"))):
    """A process: `start` in clock ticks since boot (never wall time), `boot` the kernel's random boot id."""

    __slots__ = ()
    pid: int
    start: int
    boot: str

    def as_data(self) -> dict[str, Any]:
        return {"pid": self.pid, "start": self.start, "boot": self.boot}


def from_data(data: dict[str, Any] | None) -> Identity | None:
    """The identity that an event carries; None where it has none."""
    return Identity(data["pid"], data["start"], data["boot"]) if data else None


_boot = ""


def boot_id() -> str:
    """The kernel's id of this boot."""
    global _boot
    if not _boot:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            _boot = file.read().strip()
    return _boot


def identify(pid: int) -> Identity | None:
    """Who has `pid` now; None where nobody has (a zombie still has)."""
    start = _start(pid)
    return None if start is None else Identity(pid, start, boot_id())


def myself() -> dict[str, Any]:
    """This process's identity, as events carry it."""
    me = identify(os.getpid())
    assert me is not None
    return me.as_data()


def open_verified(identity: Identity | None) -> int | None:
    """A pidfd of exactly that process, to be closed by the caller; None where it is not (any more) there."""
    if identity is None or identity.boot != boot_id():
        return None
    try:
        file = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if _start(identity.pid) != identity.start:
        os.close(file)
        return None
    return file


def is_alive(identity: Identity | None) -> bool:
    """Whether that process exists and has not ended; a zombie has ended."""
    file = open_verified(identity)
    if file is None or identity is None:
        return False
    os.close(file)
    fields = stat_fields(identity.pid)
    return fields is not None and fields[0] not in ("Z", "X")


def send(identity: Identity | None, signum: int) -> bool:
    """Signal exactly that process; whether it was there to get it."""
    file = open_verified(identity)
    if file is None:
        return False
    try:
        signal.pidfd_send_signal(file, signum)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def send_group(leader: Identity | None, signum: int) -> bool:
    """Signal the process group that `leader` leads. While the leader is there, its group's number is not reused."""
    file = open_verified(leader)
    if file is None or leader is None:
        return False
    try:
        os.killpg(leader.pid, signum)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def is_ours(pid: int) -> bool:
    """Whether the process belongs to this user: of others' the kernel shows zeros where it should show secrets."""
    try:
        return os.geteuid() in (0, os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return False


def _start(pid: int) -> int | None:
    fields = stat_fields(pid)
    return None if fields is None else int(fields[19])


def stat_fields(pid: int) -> list[str] | None:
    """/proc/<pid>/stat from the state on, which is 0 (the name before it may hold anything); None if gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].decode("ascii").split()
    except OSError:
        return None
