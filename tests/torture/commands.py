"""swarmctl in the middle of things: started, watched, sometimes killed; and supervisors, kept as systemd does."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

from swarm_daemon.process import Identity, identify
from swarm_store.statements import BROKEN_STREAMS

from .report import Report
from .scene import Scene

SWARMCTL = str(Path(sys.executable).parent / "swarmctl")
OWN = (0, 1, 3, 4, 125, -9, -15)  # statuses that a command may end with, here


@dataclass
class Command:
    """A swarmctl that was started: what, when, and where its words go."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    who: Identity | None
    out: Path
    err: Path
    since: float


class Commands:
    """All that run now."""

    def __init__(self, scene: Scene, report: Report, chance: Random) -> None:
        self._scene = scene
        self._report = report
        self._chance = chance
        self._count = 0
        self._next_supervisor = 0.0
        self.running: list[Command] = []
        self.supervisors: list[Command] = []
        self.spawned: set[str] = set()  # ids that were printed

    def start(self, *words: str, input: str = "") -> Command:
        """Start swarmctl."""
        self._count += 1
        out, err = (Path(self._scene.words, f"{self._count}.{end}") for end in ("out", "err"))
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                [SWARMCTL, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL if "-f" in words else to_out,
                stderr=to_err,
                env=self._scene.environment,
                cwd="/",
            )
        assert process.stdin is not None
        process.stdin.write(input.encode())
        process.stdin.close()
        command = Command(words, process, identify(process.pid), out, err, time.monotonic())
        (self.supervisors if words[:2] == ("supervisor", "run") else self.running).append(command)
        return command

    def look(self) -> None:
        """Take note of those that have ended."""
        for command in [*self.running, *self.supervisors]:
            if command.process.poll() is not None:
                (self.running if command in self.running else self.supervisors).remove(command)
                self._ended(command)

    def _ended(self, command: Command) -> None:
        status, said = command.process.returncode, command.err.read_text(errors="replace")
        if command.words[0] == "backup":
            self._check_backup(Path(command.words[1]), status)
        if command.words[0] == "spawn":
            lines = command.out.read_text(errors="replace").split("\n")[:-1]  # what follows the last newline is cut
            self.spawned.update(lines)
        name = " ".join(word for word in command.words[:2] if not any(map(str.isdigit, word)))[:24]
        self._report.statuses[f"{name}: {status}"] += 1
        is_own = status in OWN or command.words[0] == "wait"  # whose status may be the agent's
        is_bad = "Traceback" in said or not is_own
        if is_bad:
            self._report.problem(f"swarmctl {' '.join(command.words)[:80]}: status {status}: {said[-2000:]}")
        elif command.words[:2] == ("supervisor", "run"):
            if status == 1 and "has a supervisor" not in said:
                self._report.problem(f"a supervisor ended by itself: {said[-2000:]}")
        elif status == 1:
            self._report.statuses[f"says: {' '.join(said.split())[:60]}"] += 1
        command.out.unlink()
        command.err.unlink()

    def _check_backup(self, path: Path, status: int) -> None:
        """A backup is sound and whole, or there is none."""
        if path.exists():
            with closing(sqlite3.connect(path)) as copy:
                found = [row[0] for row in copy.execute("PRAGMA integrity_check")]
                found += [f"{row[0]} has a hole" for row in copy.execute(BROKEN_STREAMS)]
            if found != ["ok"]:
                self._report.problem(f"a backup is not sound: {found}")
            self._report.backups += 1
            path.unlink()
        elif status == 0:
            self._report.problem("a backup is said to be made, and is not there")

    def keep_supervisor(self, *, at_once: bool = False) -> None:
        """Start a supervisor where none is, a moment after it ended, as systemd does; at times two at once."""
        if self.supervisors:
            self._next_supervisor = 0.0
        elif self._next_supervisor == 0.0 and not at_once:
            self._next_supervisor = time.monotonic() + self._chance.random() * 0.7
        elif at_once or time.monotonic() >= self._next_supervisor:
            for _ in range(2 if not at_once and self._chance.random() < 0.25 else 1):
                self.start("supervisor", "run")

    def end(self, seconds: float) -> None:
        """Wait for those that run, and complain of those that do not end."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            self.look()
            time.sleep(0.02)
        for command in self.running:
            self._report.problem(f"swarmctl {' '.join(command.words)[:80]} hangs: {_kernel_says(command)}")
            command.process.kill()
            command.process.wait()


def _kernel_says(command: Command) -> str:
    try:
        return Path(f"/proc/{command.process.pid}/wchan").read_text() + f"; {command.err.read_text()[-500:]}"
    except OSError as error:
        return str(error)


def mass_spawn(commands: Commands, jobs: list[str]) -> Command:
    """Spawn agents: one job each, a JSON object."""
    return commands.start("spawn", "--from", "-", input="".join(job + os.linesep for job in jobs))
