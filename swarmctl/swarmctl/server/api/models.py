"""What is said in bodies and answers. Bodies take nothing that they do not know; answers may come to say more."""

from __future__ import annotations

import signal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from swarm_store.log import FOREVER

from ... import values, wishes

MOST_WORD = 128 << 10  # bytes of one word of a command, or one variable: the kernel takes no longer one
MOST_WORDS = 65_536
MOST_VARIABLES = 4096
MOST_LABELS = 64
MOST_TOKEN_AGENTS = 1000
MOST_STDIN = 8 << 20

Word = Annotated[str, Field(max_length=MOST_WORD, pattern=r"^[^\x00]*$")]
Seconds = Annotated[float, Field(ge=0, le=values.LONGEST)]
_SIGNALS = "|".join(one.name.removeprefix("SIG") for one in signal.Signals)
SignalName = Annotated[
    str,
    Field(
        description="TERM, SIGTERM or 15.",
        pattern=f"^(SIG)?({_SIGNALS}|[1-9]|[1-5][0-9]|6[0-4])$",
        examples=["TERM", "USR1"],
    ),
]
Base64 = Annotated[
    str,
    Field(
        max_length=MOST_STDIN * 4 // 3 + 4,
        json_schema_extra={"contentEncoding": "base64"},
        pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    ),
]
LabelKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
LabelValue = Annotated[str, Field(max_length=255)]


class Body(BaseModel):
    """What a request says. Numbers are numbers: no text is taken for one."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SpawnAgent(wishes.Wish):
    """An agent to be spawned, as the server's own user, on the server's machine."""

    model_config = ConfigDict(extra="forbid", strict=True)

    command: Annotated[
        list[Word],
        Field(
            description="What to run, word by word.", min_length=1, max_length=MOST_WORDS, examples=[["make", "-j4"]]
        ),
    ]
    name: Annotated[
        str | None,
        Field(description="No two living agents share one.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"),
    ] = None
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=MOST_LABELS, examples=[{"team": "web"}])] = {}
    cwd: Annotated[
        str | None,
        Field(
            description="A directory of the server's machine; its user's home if not said.",
            max_length=4096,
            pattern=r"^/[^\x00]*$",
            examples=["/src"],
        ),
    ] = None
    env: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^=\x00]+$")], Word],
        Field(description="Variables beside those of the server.", max_length=MOST_VARIABLES, examples=[{"CI": "1"}]),
    ] = {}
    stdin: Annotated[
        str | None, Field(description="Its standard input, as text; /dev/null if not said.", max_length=MOST_STDIN)
    ] = None
    stdin_base64: Annotated[Base64 | None, Field(description="Its standard input, as bytes.")] = None
    input: Annotated[bool, Field(description="Its standard input stays open for what is sent to it.")] = False
    parent: Annotated[
        str | None,
        Field(
            description="The agent that spawns it, where one does: past a depth of 8 that is refused.",
            min_length=1,
            max_length=64,
        ),
    ] = None

    @model_validator(mode="after")
    def _one_stdin(self) -> SpawnAgent:
        if (self.stdin is not None) + (self.stdin_base64 is not None) + self.input > 1:
            raise ValueError("stdin, stdin_base64 and input exclude each other")
        return self


class CancelAgent(Body):
    signal: Annotated[SignalName, Field(description="What asks it to end.")] = "TERM"
    grace: Annotated[
        Seconds | None, Field(description="Seconds between the signal and KILL; the agent's own if not said.")
    ] = None
    wait: Annotated[bool, Field(description="Answer when it has ended, if that is soon.")] = False


class SignalAgent(Body):
    signal: SignalName


class SendInput(Body):
    text: Annotated[
        str | None, Field(description="What it is to read, as text; no newline is added.", max_length=MOST_STDIN)
    ] = None
    base64: Annotated[Base64 | None, Field(description="The same, as bytes.")] = None
    close: Annotated[bool, Field(description="Then its input ends.")] = False

    @model_validator(mode="after")
    def _says_what(self) -> SendInput:
        if (self.text is not None) + (self.base64 is not None) + self.close == 0:
            raise ValueError("nothing to send: give text, base64 or close")
        if self.text is not None and self.base64 is not None:
            raise ValueError("text and base64 exclude each other")
        return self


class RestartAgent(Body):
    grace: Annotated[
        Seconds | None, Field(description="If it lives: seconds between TERM and KILL; the agent's own if not said.")
    ] = None


class PruneAgents(Body):
    older_than: Annotated[Seconds | None, Field(description="Those that ended longer ago than these seconds.")] = None
    keep: Annotated[int | None, Field(description="All but the newest so many, which stay.", ge=0, le=FOREVER)] = None
    larger_than: Annotated[
        int | None, Field(description="The oldest, until the log takes no more bytes than this.", ge=0, le=FOREVER)
    ] = None
    labels: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=320)]] | dict[LabelKey, LabelValue],
        Field(description='Only those with all of these: ["K", "K=V"] or {"K": "V"}.', max_length=MOST_LABELS),
    ] = []
    dry_run: Annotated[bool, Field(description="Only say which it would be.")] = False

    @model_validator(mode="after")
    def _says_what(self) -> PruneAgents:
        if self.older_than is None and self.keep is None and self.larger_than is None:
            raise ValueError("what to delete is not said: give older_than, keep or larger_than")
        return self


class CreateToken(Body):
    scope: Annotated[Literal["read", "control"], Field(description="What it is for: looking, or everything.")]
    agents: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]] | None,
        Field(description="Of these agents alone; of all if not said.", min_length=1, max_length=MOST_TOKEN_AGENTS),
    ] = None
    expires_in: Annotated[
        float | None, Field(description="Seconds that it is good for; for ever if not said.", gt=0, le=values.LONGEST)
    ] = None
    uses: Annotated[
        int | None, Field(description="Requests that it is good for; any number if not said.", ge=1, le=FOREVER)
    ] = None


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
    scope: Literal["read", "control"]
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
