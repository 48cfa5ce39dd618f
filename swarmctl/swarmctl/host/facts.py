"""What a driver tells its host, and what it is told: small named tuples, which know nothing of the log.

`Said` goes from the agent to the log; a `Permission` is asked for, an `Answer` comes back.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Role = Literal["assistant", "thought", "notice"]
Outcome = Literal["completed", "denied", "failed", "refused", "interrupted", "limited"]
OptionKind = Literal["allow_once", "allow_always", "reject_once", "reject_always"]  # as in ACP


class Message(NamedTuple):
    """One whole message of the agent, never a part of one. A notice is what its driver or program says beside."""

    role: Role
    text: str


class ToolCalled(NamedTuple):
    """A tool is to run. `call`: the agent's id of it; `name`: the tool's (Bash); `title`: for a person (npm test)."""

    call: str
    name: str
    title: str
    input: dict[str, Any]


class ToolFinished(NamedTuple):
    """What became of a call. The host cuts the output; the driver hands on all of it, as text."""

    call: str
    status: Literal["completed", "failed", "denied", "interrupted"]
    output: str


class Usage(NamedTuple):
    """Tokens since the last of these, never totals.

    `input` is without what the caches count; `cost` in millionths of a dollar, None where the agent does not say it.
    """

    model: str | None
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cost: int | None = None


Said = Message | ToolCalled | ToolFinished | Usage


class Option(NamedTuple):
    """One of the answers that the agent offers. Choose by `kind`: the ids differ from agent to agent."""

    id: str
    kind: OptionKind
    name: str


class Permission(NamedTuple):
    """What the agent wants to be allowed. `reads_only`: it changes nothing, as far as the driver can tell.

    `editable`: an answer may change the input. `deferred`: nobody holds the question; the agent, resumed by whatever
    process, asks again with the same `call`, and is answered by `Room.pending`.
    """

    call: str
    tool: str
    title: str
    input: dict[str, Any]
    options: tuple[Option, ...] = ()
    reads_only: bool = False
    deferred: bool = False
    editable: bool = False


class Answer(NamedTuple):
    """What a permission's asker is told.

    `input`: what to run instead of what was asked; `option`: the id of the offered one that says so, None where none
    does. That it is for `always` the host remembers too.
    """

    granted: bool
    always: bool = False
    input: dict[str, Any] | None = None
    message: str | None = None
    option: str | None = None


class Opened(NamedTuple):
    """A session that is open. `heard`: the user's turns that the agent's own history has, None where unknown."""

    session: str
    model: str | None = None
    version: str | None = None
    resumed: bool = False
    heard: list[str] | None = None


class Completed(NamedTuple):
    """The end of a turn. `stop_reason`: the agent's own word; `reason`: why it did not end well, in one line.

    `retry_at`: seconds of the Unix clock from which on a quota allows more; 0.0 where nobody knows when; None where no
    quota ended the turn. A driver need not say "denied": the host does where it has denied something.
    """

    outcome: Outcome
    stop_reason: str | None = None
    reason: str | None = None
    retry_at: float | None = None
