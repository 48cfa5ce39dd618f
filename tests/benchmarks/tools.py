"""What a benchmark asks of a tool, and swarmctl as the first of them."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .scene import Scene


@dataclass(frozen=True)
class Job:
    """One command to be run by a tool.

    `kept`: its output is kept in a file of its own, or in the log. `restarted`: it is started again whenever it ends.
    """

    name: str
    command: list[str]
    kept: bool = False
    restarted: bool = False


def idle(count: int) -> list[Job]:
    """`count` agents that do nothing for an hour."""
    return [Job(f"idle-{number:03}", ["/bin/sleep", "3600"]) for number in range(count)]


class Tool(ABC):
    """One tool in a scene, with a directory of its own."""

    name: str
    env: dict[str, str]

    def __init__(self, place: Scene) -> None:
        self.place = place
        self.home = place.path / self.name
        self.home.mkdir(mode=0o700)
        self.env = {}

    @abstractmethod
    def up(self, running: list[Job], ready: list[Job] = []) -> None:  # noqa: B006 - never changed
        """Start with the jobs `running`; those in `ready` are known, where the tool wants that, and not started."""

    @abstractmethod
    def list_command(self) -> list[str]:
        """The command line that lists what runs."""

    @abstractmethod
    def start_command(self, job: Job) -> list[str]:
        """The command line that starts one job."""

    @abstractmethod
    def stop_command(self, job: Job) -> list[str]:
        """The command line that ends one job, so that the next round can start it anew."""

    @abstractmethod
    def follow_command(self, job: Job) -> list[str]:
        """The command line that shows a kept job's output live, in the quickest way that there is."""

    @abstractmethod
    def own_processes(self) -> list[int]:
        """The PIDs of the tool's own processes, beside the agents'."""

    def run(self, command: list[str], *, check: bool = True) -> str:
        return self.place.run(command, self.env, check=check)


class Swarmctl(Tool):
    """swarmctl as it is installed beside the interpreter that runs this."""

    name = "swarmctl"
    program = str(Path(sys.executable).parent / "swarmctl")

    def __init__(self, place: Scene) -> None:
        super().__init__(place)
        self.env = {"SWARM_HOME": str(self.home)}

    def up(self, running: list[Job], ready: list[Job] = []) -> None:  # noqa: B006 - never changed
        self.run([self.program, "spawn", "--", "true"])  # makes the log, which only the first one pays for
        if running:
            lines = [json.dumps(self._wish(job)) for job in running]
            (self.home / "jobs.jsonl").write_text("\n".join(lines) + "\n")
            self.run([self.program, "spawn", "--from", str(self.home / "jobs.jsonl")])

    def _wish(self, job: Job) -> dict[str, object]:
        return {"command": job.command, "name": job.name, "restart": "always" if job.restarted else "no"}

    def list_command(self) -> list[str]:
        return [self.program, "list"]

    def start_command(self, job: Job) -> list[str]:
        return [self.program, "spawn", "--name", job.name, "--", *job.command]

    def stop_command(self, job: Job) -> list[str]:
        return [self.program, "cancel", job.name]

    def follow_command(self, job: Job) -> list[str]:
        return [self.program, "logs", "-f", job.name]

    def agents(self, *, ended: bool = False) -> list[dict[str, Any]]:
        command = [self.program, "list", "--json", *(["--all"] if ended else [])]
        found: list[dict[str, Any]] = json.loads(self.run(command))
        return found

    def own_processes(self) -> list[int]:
        return [agent[part]["pid"] for agent in self.agents() for part in ("daemon", "keeper")]


Make = type[Tool]  # makes a tool in a scene
