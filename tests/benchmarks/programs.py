"""Programs that say when they begin: each tells a FIFO its name and PID in its first instruction, and then sleeps.

So the end of a restart is the same moment for every tool, and nobody polls for it.
"""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

from swarm_daemon.process import Identity, identify

from .tools import Job

PATIENCE = 120.0  # seconds for programs to begin
SCRIPT = """# $1: its name; $2: the FIFO
echo "$1 $$" > "$2"
exec sleep 3600
"""


class Programs:
    """`count` jobs, restarted when they end, and who they are now: `running`, by name."""

    def __init__(self, place: Path, count: int) -> None:
        script, fifo = place / "program.sh", place / "begun"
        script.write_text(SCRIPT)
        os.mkfifo(fifo)
        self._file = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self._held = b""
        self.running: dict[str, Identity] = {}
        names = [f"idle-{number:03}" for number in range(count)]
        self.jobs = [Job(name, ["/bin/sh", str(script), name, str(fifo)], restarted=True) for name in names]

    def await_all(self) -> float:
        """Wait until all have begun; when the last one did, in seconds of the monotonic clock."""
        moment = time.monotonic()
        while len(self.running) < len(self.jobs):
            moment, _ = self.await_some()
        return moment

    def await_some(self) -> tuple[float, list[str]]:
        """Wait until some begin; when that was, and their names. Raises TimeoutError."""
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        if not poll.poll(PATIENCE * 1000):
            raise TimeoutError(f"{len(self.running)} of {len(self.jobs)} programs have begun, and no more")
        moment = time.monotonic()
        *lines, self._held = (self._held + os.read(self._file, 65536)).split(b"\n")
        names = []
        for name, pid in (line.decode("ascii").split() for line in lines):
            who = identify(int(pid))
            if who is None:
                raise ProcessLookupError(f"{name} has begun and ended")
            self.running[name] = who
            names.append(name)
        return moment, names

    def close(self) -> None:
        os.close(self._file)
