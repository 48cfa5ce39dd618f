"""Looking at the machine: until something holds, which processes a home has, what state one is in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
DEADLINE = 30.0  # seconds; far more than anything here takes


def until(condition: Callable[[], T], what: str = "", *, seconds: float = DEADLINE) -> T:
    """The first true value of `condition`, looked for often until the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what or condition}"
        time.sleep(0.005)
    return value


def processes_of(home: str | Path) -> dict[int, str]:
    """The processes that have `home` in their environment (daemons, keepers, agents, commands): PID → command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"=" + os.fsencode(home) + b"\0" in environment:
            found[int(entry.name)] = command.decode(errors="replace")
    return found


def state(pid: int) -> str | None:
    """The kernel's letter for a process's state (Z is a zombie); None where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    return state(pid) not in (None, "Z", "X")
