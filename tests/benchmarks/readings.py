"""What the kernel counts for a process: memory by smaps_rollup, CPU by stat (ticks) and schedstat (nanoseconds)."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def pss(pid: int, field: str = "Pss") -> int:
    """Proportional set size in bytes: own pages, and a fair share of each page that is shared.

    `Pss_Anon` leaves pages of files out, whose share depends on who else on the machine has them.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"no {field} for process {pid}")


def ticks(pid: int) -> int:
    """User and system time in clock ticks (of 10 ms, usually), as everybody's tools show it."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12])


def tick_seconds(count: int) -> float:
    return count / _TICKS


def cpu_seconds(pid: int) -> float:
    """Time on a CPU in seconds, all threads: to the nanosecond, where ticks see nothing of a short wake-up."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        total += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return total / 1e9


def parent_of(pid: int) -> int:
    """The parent's PID. Raises OSError where the process is gone."""
    return int(_stat(pid)[1])


def children(pid: int) -> list[int]:
    """The PIDs of its children, zombies too; none where it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    except OSError:
        pass
    return found


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].decode("ascii").split()
