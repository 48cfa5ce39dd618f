"""What the tools give, as data: the schemas that the agent's model is shown are made of these."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from swarm_store.fold import Agent
from swarm_store.lifecycle import TERMINAL


class Known(BaseModel):
    """An agent of the tree."""

    id: str
    name: str | None
    state: Annotated[
        str, Field(description="spawned, starting, running, waiting; or ended: completed, failed, cancelled, lost")
    ]
    waiting_for: Annotated[str | None, Field(description="approval (a person must answer), turn or quota")] = None
    ended: bool
    exit_code: int | None
    reason: Annotated[str | None, Field(description="why it ended so, where that is not its own exit status")]
    kind: Annotated[str | None, Field(description="claude, codex, ...; null for a plain command")] = None
    command: list[str]
    labels: dict[str, str]
    parent: Annotated[str | None, Field(description="the agent that spawned it")]
    run: Annotated[int, Field(description="which of its runs this is, from 1")]
    created_at: str
    ended_at: str | None

    @classmethod
    def of(cls, agent: Agent) -> Known:
        known = {name: agent[name] for name in cls.model_fields if name in agent}
        return cls(**known, ended=agent["state"] in TERMINAL)


class Listed(BaseModel):
    agents: list[Known]
    left_out: Annotated[int, Field(description="how many older ones there are beyond those")]


class Waited(BaseModel):
    ended: list[Known]
    still_running: list[Known]
    note: str


class Spawned(BaseModel):
    agent: Known
    note: str


class Read(BaseModel):
    agent: Known
    text: str
    next: Annotated[str, Field(description="the place to go on from: give it as `start` to read what comes after")]
    more: Annotated[bool, Field(description="whether more is there already")]


class Sent(BaseModel):
    agent: Known
    turn: Annotated[int | None, Field(description="the turn's number; null for a plain command")] = None
    note: str


class Cancelled(BaseModel):
    agents: list[Known]
    note: str
