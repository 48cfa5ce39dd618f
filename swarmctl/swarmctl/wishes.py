"""A wish for an agent as data: what a line of a job file and the body of a request have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from swarm_store.errors import WrongUsage

from . import values

Seconds = Annotated[float, Field(ge=0, le=values.LONGEST)]
Bytes = Annotated[int, Field(ge=values.LEAST_MEMORY, le=values.MOST_MEMORY)]
Cpus = Annotated[float, Field(ge=values.LEAST_CPU, le=values.MOST_CPU)]
Tasks = Annotated[int, Field(ge=1, le=values.MOST_TASKS)]


class Wish(BaseModel):
    """One agent to spawn: the options of `spawn`, by their names; times in seconds, memory in bytes."""

    model_config = ConfigDict(extra="forbid")

    command: list[str]
    name: str | None = None
    labels: dict[str, str] = {}
    cwd: str | None = None
    env: dict[str, str] = {}
    input: bool = False
    restart: Literal["no", "on-failure", "always"] = "no"
    max_restarts: Annotated[int, Field(ge=0, le=1 << 31)] | None = None
    timeout: Seconds | None = None
    grace: Seconds | None = None
    silence: Seconds | None = None
    on_silence: Literal["mark", "restart"] = "mark"
    memory: Bytes | None = None
    cpu: Cpus | None = None
    tasks: Tasks | None = None

    def options(self) -> dict[str, Any]:
        """What swarm_daemon.spawn.request takes. Raises WrongUsage for what cannot be."""
        if not self.command:
            raise WrongUsage("the command is empty", "write its words as a list")
        values.name(self.name)
        values.check_labels(self.labels)
        values.check_environment(self.env)
        values.check_silence(self.silence, self.on_silence, self.restart)
        if any("\0" in word for word in (*self.command, self.cwd or "")):
            raise WrongUsage("command and cwd cannot hold NUL", "leave it out")
        wish = {name: getattr(self, name) for name in Wish.model_fields}
        limits = values.limits(**{name: wish.pop(name) for name in values.LIMITS})
        return {**wish, "limits": limits}
