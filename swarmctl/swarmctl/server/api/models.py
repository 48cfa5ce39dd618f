"""What is said in answers, which may come to say more. What is asked for stands in bodies.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Process(BaseModel):
    """A process: its PID, its start in clock ticks since boot, and the boot."""

    pid: int
    start: int
    boot: str


class Agent(BaseModel):
    """An agent as `swarmctl list --json` gives it. What is not known is null."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str | None
    state: Literal["spawned", "starting", "running", "waiting", "completed", "failed", "cancelled", "lost"]
    status: Annotated[
        str | None, Field(description="The state, or what the machine shows beyond it: lost?, silent. Not of the past.")
    ] = None
    labels: dict[str, str]
    command: list[str]
    cwd: str
    run: Annotated[int, Field(description="The run that it is at, counted from 1.")]
    created_at: str
    exit_code: int | None
    signal: Annotated[str | None, Field(description="What it died of.")]
    reason: str | None
    started_at: str | None
    ended_at: str | None
    seconds: Annotated[float | None, Field(description="How long the run took.")]
    daemon: Process | None
    keeper: Process | None
    child: Process | None
    spawner: Process | None
    limited_by: str | None
    epoch: Annotated[int, Field(description="Which daemon of the run it is at, counted from 0.")]
    monotonic: float | None
    silent_since: str | None
    output: Annotated[dict[str, int] | None, Field(description="Bytes of stdout and of stderr, when it has ended.")]
    resources: dict[str, Any] | None
    left: Annotated[int | None, Field(description="Processes that it has left running.")]
    parent: str | None
    depth: int
    restart: Literal["no", "on-failure", "always"]
    max_restarts: int | None
    restarts: int
    no_more_restarts: str | None
    timeout: float | None
    grace: float | None
    silence: float | None
    on_silence: Literal["mark", "restart"]
    limits: dict[str, float] | None
    input: Annotated[bool, Field(description="Whether it can be sent input.")]
    tty: Annotated[bool, Field(description="Whether it has a terminal.")]
    host: str | None


class Agents(BaseModel):
    """A page of agents, in the order in which they were spawned."""

    agents: list[Agent]
    next: Annotated[str | None, Field(description="`after` of the next page; null on the last.")]


class Event(BaseModel):
    """A record of the log."""

    model_config = ConfigDict(extra="allow")

    position: Annotated[int, Field(description="Its place in the whole log.")]
    stream: str
    offset: Annotated[int, Field(description="Its place in its stream.")]
    time: str
    type: str
    agent: str | None
    data: dict[str, Any]
    base64: Annotated[str | None, Field(description="The bytes of output.")] = None
    text: Annotated[str | None, Field(description="The words of a turn.")] = None


class Events(BaseModel):
    """A page of the log."""

    events: list[Event]
    next: Annotated[int, Field(description="`after` of the next page.")]


class LastLine(BaseModel):
    """The last line of an agent's output that is not blank."""

    position: int
    offset: int
    time: str
    stream: Literal["stdout", "stderr"]
    text: Annotated[str, Field(description="400 characters at most; U+FFFD for what is no UTF-8.")]


class LastLines(BaseModel):
    """The last lines of agents, by id; none of one that has written nothing since."""

    last: dict[str, LastLine]
    next: Annotated[int, Field(description="`after` of the next request.")]


class LastOutput(BaseModel):
    """The end of an agent's output: records of the log, with the bytes in `base64`."""

    before: Annotated[list[Event], Field(description="Of each of stdout and stderr the last chunk before `chunks`.")]
    chunks: Annotated[list[Event], Field(description="What holds the last lines, and where they begin may hold more.")]
    next: Annotated[str, Field(description="The offset in the stream `agents/ID` that comes after them.")]


class Approval(BaseModel):
    """What an agent asked to be allowed, and what became of it."""

    model_config = ConfigDict(extra="allow")

    id: str
    agent: str
    name: Annotated[str | None, Field(description="The agent's.")]
    state: Literal["pending", "granted", "denied", "voided"]
    run: int
    turn: int | None
    call: Annotated[str, Field(description="The use of a tool that it is for, as the agent names it.")]
    tool: str
    title: str
    input: Annotated[Any, Field(description="What the tool is to do, as the agent said it.")]
    options: Annotated[list[Any], Field(description="What can be answered, in the agent's own words.")]
    deferred: Annotated[bool, Field(description="Nobody holds the question: an answer is good after any death.")]
    editable: Annotated[bool, Field(description="An answer may give another input.")]
    until: Annotated[str | None, Field(description="When it is denied without an answer.")]
    requested_at: str
    answered_at: str | None
    by: Annotated[str | None, Field(description="Who answered; or rule, policy, timeout.")]
    always: bool
    answer_input: Annotated[Any, Field(description="The other input that it was granted with.")]
    message: str | None
    rule: str | None
    reason: Annotated[str | None, Field(description="Why it is void.")]
    delivered: Annotated[bool, Field(description="Whether the agent has the answer.")]


class Approvals(BaseModel):
    """A page of approvals, in the order in which they were asked for."""

    approvals: list[Approval]
    next: Annotated[str | None, Field(description="`after` of the next page; null on the last.")]


class Session(BaseModel):
    """The session of an agent of a kind, as it stands."""

    model_config = ConfigDict(extra="allow")

    agent: str
    kind: str | None
    driver: str | None
    session: Annotated[str | None, Field(description="The agent's own name for it.")]
    model: str | None
    version: str | None
    sent: Annotated[int, Field(description="Turns, in all.")]
    completed: int
    waiting: Annotated[list[int], Field(description="Turns that were not begun yet.")]
    current: Annotated[dict[str, Any] | None, Field(description="The turn that is under way.")]
    last: Annotated[dict[str, Any] | None, Field(description="The last that was completed, and how.")]
    pending: Annotated[list[str], Field(description="Approvals that it waits for.")]
    undelivered: Annotated[list[str], Field(description="Approvals whose answer the agent does not have yet.")]
    usage: Annotated[
        dict[str, dict[str, int]],
        Field(description="By model: tokens, and cost in millionths of a dollar; `unpriced` reports said none."),
    ]


class Sums(BaseModel):
    """Tokens and cost."""

    input: Annotated[int, Field(description="Without what the caches counted.")]
    output: int
    cache_read: int
    cache_write: int
    reasoning: Annotated[int, Field(description="Part of `output`.")]
    cost: Annotated[int | None, Field(description="Millionths of a dollar; null where it is not known.")]
    unpriced: Annotated[int, Field(description="Reports whose cost is not known, and not in `cost`.")]


class Usage(BaseModel):
    """What was used: by agent {id, name, kind, parent, labels, own, tree}, else {kind|label|day|model, and sums}."""

    usage: list[dict[str, Any]]
    total: Sums


class Spent(BaseModel):
    """What a tree has used."""

    usd: Annotated[int, Field(description="Millionths of a dollar.")]
    tokens: int
    unpriced: Annotated[int, Field(description="Reports whose cost is not known.")]


class Budget(BaseModel):
    """What an agent and all below it may use; null where there is no limit."""

    agent: str
    usd: Annotated[int | None, Field(description="Millionths of a dollar.")]
    tokens: int | None
    spent: Spent
    exhausted: Annotated[str | None, Field(description="The limit that is spent: usd, tokens.")]


class Turn(BaseModel):
    """A turn that was asked for."""

    agent: str
    turn: Annotated[int, Field(description="Its name, counted up in each agent's inbox.")]


class Conversation(BaseModel):
    """Part of what was said and done in a session."""

    events: list[Event]
    next: Annotated[int, Field(description="`after` of what comes later.")]
    before: Annotated[int | None, Field(description="`before` of what came earlier; null where that is nothing.")]


class Pruned(BaseModel):
    """What was forgotten, or would be."""

    removed: list[str]


class Imported(BaseModel):
    """What was taken in."""

    imported: list[str]


class Finding(BaseModel):
    """What one check of `swarmctl doctor` has found."""

    check: str
    ok: bool
    found: str
    hint: str


class Report(BaseModel):
    """Everything that was checked; `ok` where nothing is wrong."""

    ok: bool
    findings: list[Finding]


class Supervisor(BaseModel):
    """Whether a supervisor runs, who it is, and what it did last."""

    model_config = ConfigDict(extra="allow")

    running: bool
    pid: int | None = None
    host: str | None = None
    since: str | None = None
    unit: str | None = None
    last: dict[str, Any] | None


class NewToken(BaseModel):
    """A token that was made."""

    id: str
    token: Annotated[str, Field(description="What opens; nobody is told it again.")]


class Token(BaseModel):
    """What is known of a token, without what opens anything."""

    model_config = ConfigDict(extra="allow")

    id: str
    scope: Literal["read", "control", "tree"]  # tree: an agent's own, for its MCP server alone
    agents: Annotated[list[str] | None, Field(description="The ids of its agents; null for all.")]
    created: str
    expires: str | None
    uses: int | None
    uses_left: int | None
    last_used: Annotated[str | None, Field(description="Known where its uses are counted.")]
    maker: Annotated[str | None, Field(description="The token that it was made with, and ends with.")]
    state: Literal["good", "expired", "used up", "revoked"]


class Tokens(BaseModel):
    """Tokens, the oldest first."""

    tokens: list[Token]


class Info(BaseModel):
    """Which log this is, who serves it, and what the token that asks may do."""

    version: Annotated[str, Field(description="Of swarmctl.")]
    log: Annotated[str, Field(description="The log's UUID.")]
    epoch: Annotated[int, Field(description="How often the log was recovered.")]
    rights: Literal["read", "control"]
    position: Annotated[int, Field(description="Of the log's last record; what happens from now on comes after it.")]
    host: str


class Problem(BaseModel):
    """What is wrong (RFC 9457), and what to do about it."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(examples=["urn:swarmctl:no-such-agent"])]
    title: str
    status: int
    detail: str
    hint: str
    exit_code: Annotated[int | None, Field(description="The command line's status for this.")] = None


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: Annotated[list[str | int], Field(description="body, query, path or header, and the way from there.")]
    what: str


class Invalid(Problem):
    """What is wrong with a request, thing by thing."""

    errors: list[Fault] = []
