"""What comes back from a server, as it comes: plain dicts of its JSON, and bytes.

Times in dicts are RFC 3339 in UTC, as text; durations are seconds. What is not known is None.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from swarm_store.clock import microseconds
from swarm_store.events import OUTPUT_TYPES, Record

StreamName = Literal["stdout", "stderr"]
STREAM_OF: dict[str, StreamName] = {OUTPUT_TYPES["stdout"]: "stdout", OUTPUT_TYPES["stderr"]: "stderr"}


class Process(TypedDict):
    """A process, so that no reused PID is mistaken: its start in clock ticks, and the boot."""

    pid: int
    start: int
    boot: str


class Agent(TypedDict):
    """An agent, as `swarmctl list --json` shows it; newer servers say more."""

    id: str
    name: str | None
    state: str
    status: NotRequired[str]
    labels: dict[str, str]
    command: list[str]
    cwd: str
    run: int
    created_at: str
    exit_code: int | None
    signal: str | None
    reason: str | None
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    daemon: Process | None
    keeper: Process | None
    child: Process | None
    limited_by: str | None
    silent_since: str | None
    output: dict[str, Any] | None
    resources: dict[str, Any] | None
    left: int | None
    parent: str | None
    depth: int
    restart: str
    max_restarts: int | None
    restarts: int
    no_more_restarts: str | None
    timeout: float | None
    grace: float | None
    silence: float | None
    on_silence: str
    limits: dict[str, float] | None
    host: str | None
    spawner: Process | None


class Event(TypedDict):
    """A record of the log; what has bytes has them as `text` or `base64`."""

    position: int
    stream: str
    offset: int
    time: str
    type: str
    agent: str | None
    data: dict[str, Any]
    text: NotRequired[str]
    base64: NotRequired[str]


class Approval(TypedDict):
    """What an agent asks to be allowed, and what became of it, as `swarmctl approvals --json` shows it."""

    id: str
    agent: str
    name: str | None
    state: str
    run: int
    turn: int | None
    call: str
    tool: str
    title: str
    input: dict[str, Any]
    options: list[dict[str, Any]]
    deferred: bool
    editable: bool
    until: str | None
    requested_at: str
    answered_at: str | None
    by: str | None
    always: bool
    answer_input: dict[str, Any] | None
    message: str | None
    rule: str | None
    reason: str | None
    delivered: bool


class Session(TypedDict):
    """The session of an agent of a kind; newer servers say more. `usage` is by model, cost in 1e-6 dollars."""

    agent: str
    kind: str | None
    driver: str | None
    session: str | None
    model: str | None
    version: str | None
    sent: int
    completed: int
    waiting: list[int]
    current: dict[str, Any] | None
    last: dict[str, Any] | None
    pending: list[str]
    undelivered: list[str]
    usage: dict[str, dict[str, int]]


class NewToken(TypedDict):
    """A token that was made; `token` is told this once."""

    id: str
    token: str


class Token(TypedDict):
    """What is known of a token, as `swarmctl token list --json` shows it."""

    id: str
    scope: str
    agents: list[str] | None
    created: str
    expires: str | None
    uses: int | None
    uses_left: int | None
    last_used: str | None
    maker: str | None
    state: str


class SpawnOptions(TypedDict, total=False):
    """How an agent is to be run, all of it optional: see `swarmctl spawn --help`. Memory in bytes, cpu in CPUs.

    An AI agent has `agent`, its kind, and a `prompt` instead of a command.
    """

    agent: str
    prompt: str
    model: str | None
    session: str | None
    approve: Literal["ask", "never", "auto-read", "all"] | None
    allow: Sequence[str]
    deny: Sequence[str]
    approval_timeout: float | None
    stay: bool
    resume_after_quota: bool
    with_swarm: bool
    by: str | None

    name: str | None
    labels: Mapping[str, str]
    cwd: str | None
    env: Mapping[str, str]
    stdin: str | bytes | None
    restart: Literal["no", "on-failure", "always"]
    max_restarts: int | None
    timeout: float | None
    grace: float | None
    silence: float | None
    on_silence: Literal["mark", "restart"]
    memory: int | None
    cpu: float | None
    tasks: int | None
    input: bool
    tty: bool
    size: Sequence[int] | None
    budget_usd: float | None
    budget_tokens: int | None
    max_depth: int | None
    max_children: int | None
    notify: Sequence[str]
    worktree: bool
    branch: str | None
    worktree_end: Literal["auto", "keep", "remove"] | None


class Chunk(NamedTuple):
    """Bytes of an agent's output, [start, start + len) of that run's stream; `time` in microseconds since 1970."""

    bytes: bytes
    stream: StreamName
    run: int
    start: int
    time: int


class Change(NamedTuple):
    """What became of an agent: `agent` is what it is now, None where it was removed.

    `operation` is `insert`, `update` or `delete`; `reset` (and no id) where all that was said before is void.
    """

    operation: str
    id: str
    agent: Agent | None


def record(event: Event) -> Record:
    """The log's own form of an event."""
    return Record(
        event["position"],
        event["stream"],
        event["offset"],
        microseconds(event["time"]),
        event["type"],
        event["agent"],
        event["data"],
        payload(event),
    )


def payload(event: Event) -> bytes | None:
    """The bytes that an event carries."""
    if "text" in event:
        return event["text"].encode()
    return base64.b64decode(event["base64"]) if "base64" in event else None
