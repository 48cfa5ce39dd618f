"""A wish for an agent as data: what a line of a job file and the body of a request have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from swarm_store.errors import WrongUsage

from . import beside, values

Seconds = Annotated[float, Field(ge=0, le=values.LONGEST)]
Bytes = Annotated[int, Field(ge=values.LEAST_MEMORY, le=values.MOST_MEMORY)]
Cpus = Annotated[float, Field(ge=values.LEAST_CPU, le=values.MOST_CPU)]
Edge = Annotated[int, Field(ge=1, le=values.LONGEST_EDGE)]
Size = Annotated[list[Edge], Field(min_length=2, max_length=2)]  # rows and columns of a terminal
Tasks = Annotated[int, Field(ge=1, le=values.MOST_TASKS)]
Dollars = Annotated[float, Field(ge=0, le=values.MOST_DOLLARS)]
Tokens = Annotated[int, Field(ge=0, le=values.MOST_TOKENS)]
Cap = Annotated[int, Field(ge=0, le=1 << 31)]


class Wish(BaseModel):
    """One agent to spawn: the options of `spawn`, by their names; seconds, bytes of memory, dollars."""

    model_config = ConfigDict(extra="forbid")

    command: list[str]
    name: str | None = None
    labels: dict[str, str] = {}
    cwd: str | None = None
    env: dict[str, str] = {}
    input: bool = False
    tty: bool = False
    size: Size | None = None
    restart: Literal["no", "on-failure", "always"] = "no"
    max_restarts: Annotated[int, Field(ge=0, le=1 << 31)] | None = None
    timeout: Seconds | None = None
    grace: Seconds | None = None
    silence: Seconds | None = None
    on_silence: Literal["mark", "restart"] = "mark"
    memory: Bytes | None = None
    cpu: Cpus | None = None
    tasks: Tasks | None = None
    budget_usd: Dollars | None = None
    budget_tokens: Tokens | None = None
    max_depth: Cap | None = None
    max_children: Cap | None = None
    notify: list[str] = []
    worktree: bool = False
    branch: str | None = None
    worktree_end: Literal["auto", "keep", "remove"] | None = None

    def options(self) -> dict[str, Any]:
        """What beside.request takes. Raises WrongUsage for what cannot be."""
        if not self.command:
            raise WrongUsage("the command is empty", "write its words as a list")
        return self._options()

    def _options(self) -> dict[str, Any]:
        values.name(self.name)
        values.check_labels(self.labels)
        values.check_environment(self.env)
        values.check_silence(self.silence, self.on_silence, self.restart)
        if any("\0" in word for word in (*self.command, self.cwd or "")):
            raise WrongUsage("command and cwd cannot hold NUL", "leave it out")
        wish = {name: getattr(self, name) for name in Wish.model_fields}
        limits = values.limits(**{name: wish.pop(name) for name in values.LIMITS})
        usd, tokens = wish.pop("budget_usd"), wish.pop("budget_tokens")
        micro = None if usd is None else round(usd * values.MICRO)
        tree = values.tree(usd=micro, tokens=tokens, depth=wish.pop("max_depth"), children=wish.pop("max_children"))
        around = {name: wish.pop(name) for name in beside.NAMES}
        return {**wish, "limits": limits, **tree, **beside.check(around)}


class AgentWish(Wish):
    """As a Wish, of a command or of an agent of a kind: the options of `spawn --agent`, by their names."""

    command: list[str] = []
    agent: str | None = None
    prompt: str | None = None
    model: str | None = None
    session: str | None = None
    approve: Literal["ask", "never", "auto-read", "all"] | None = None
    allow: list[str] = []
    deny: list[str] = []
    approval_timeout: Seconds | None = None
    stay: bool = False
    resume_after_quota: bool = False
    with_swarm: bool = False

    def options(self) -> dict[str, Any]:
        """As Wish.options; of an agent of a kind with `agent` instead of the command: see prompting.request."""
        asked = {name: getattr(self, name) for name in AgentWish.model_fields if name not in Wish.model_fields}
        if self.agent is None:
            given = next((name for name, value in asked.items() if value), None)
            if given is not None:
                raise WrongUsage(f"{given} is of an agent of a kind", "say which: agent")
            return super().options()
        if self.command:
            raise WrongUsage("an agent of a kind has no command", "leave it out")
        from . import prompting  # what a plain command needs not load

        options = self._options()
        del options["command"]
        return {**options, "agent": prompting.check({**asked, "approve": self.approve or "ask"})}
