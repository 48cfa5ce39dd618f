"""What is said in the bodies of requests: nothing that is not known is taken. What is answered stands in models.py."""

from __future__ import annotations

import json
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
MOST_KIND = 4096  # characters; acp:COMMAND is one
MOST_RULES = 1000
MOST_MESSAGE = 64 << 10

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
Rule = Annotated[str, Field(min_length=1, max_length=4096)]
LabelValue = Annotated[str, Field(max_length=255)]


By = Annotated[
    str | None,
    Field(
        description="Who asks for it, in their own words; the token that it is done with is kept beside it.",
        pattern=r"^[^\x00-\x1f\x7f]{1,64}$",
        examples=["ann@laptop"],
    ),
]


class Body(BaseModel):
    """What a request says. Numbers are numbers: no text is taken for one."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SpawnAgent(wishes.AgentWish):
    """A command, or an AI agent with its prompt, to be spawned as the server's own user, on the server's machine."""

    model_config = ConfigDict(extra="forbid", strict=True)

    command: Annotated[
        list[Word],
        Field(
            description="What to run, word by word; or else `agent`.",
            min_length=1,
            max_length=MOST_WORDS,
            examples=[["make", "-j4"]],
        ),
    ] = []
    agent: Annotated[
        str | None,
        Field(
            description="A kind of AI agent: claude, codex, ...; it takes turns, the first of them `prompt`.",
            min_length=1,
            max_length=MOST_KIND,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            examples=["claude"],
        ),
    ] = None
    prompt: Annotated[str | None, Field(description="Its first turn.", min_length=1, max_length=MOST_STDIN)] = None
    model: Annotated[str | None, Field(description="Its kind's own if not said.", min_length=1, max_length=255)] = None
    session: Annotated[
        str | None, Field(description="Go on with this session of its own.", min_length=1, max_length=255)
    ] = None
    approve: Annotated[
        Literal["ask", "never", "auto-read", "all"] | None,
        Field(description="What it asks to be allowed: ask people, if not said."),
    ] = None
    allow: Annotated[
        list[Rule], Field(description="Allowed unasked.", max_length=MOST_RULES, examples=[["Bash(git *)"]])
    ] = []
    deny: Annotated[list[Rule], Field(description="Denied unasked; beats allow.", max_length=MOST_RULES)] = []
    by: By = None
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
    tty: Annotated[bool, Field(description="In a terminal of its own; what is sent to it is typed.")] = False
    size: Annotated[
        wishes.Size | None, Field(description="Rows and columns of that, at first.", examples=[[24, 80]])
    ] = None
    notify: Annotated[
        list[Word],
        Field(description="Shell commands and URLs that are told when it waits, is done, has failed.", max_length=16),
    ] = []
    worktree: Annotated[bool, Field(description="In a git worktree and branch of its own.")] = False
    branch: Annotated[
        str | None, Field(description="The worktree's branch; swarm/NAME, or swarm/ID.", min_length=1, max_length=200)
    ] = None
    worktree_end: Annotated[
        Literal["auto", "keep", "remove"] | None, Field(description="What becomes of the worktree; auto if not said.")
    ] = None
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
        if (self.stdin is not None) + (self.stdin_base64 is not None) + self.input + self.tty > 1:
            raise ValueError("stdin, stdin_base64, input and tty exclude each other")
        if bool(self.command) == (self.agent is not None):
            raise ValueError(
                "nothing to run: give command" if self.agent is None else "command and agent exclude each other"
            )
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


class SendTurn(Body):
    text: Annotated[str, Field(description="What the agent is to do.", min_length=1, max_length=MOST_STDIN)]
    by: By = None


class Interrupt(Body):
    by: By = None


class AnswerApproval(Body):
    granted: Annotated[bool, Field(description="Whether it may.")]
    always: Annotated[bool, Field(description="And for just the same from now on, in this session.")] = False
    input: Annotated[
        dict[str, Any] | None,
        Field(description="What it is to be done with instead, whole; for what is `editable`, and granted."),
    ] = None
    message: Annotated[
        str | None, Field(description="What the agent is told, where it may not.", max_length=MOST_MESSAGE)
    ] = None
    by: By = None

    @model_validator(mode="after")
    def _makes_sense(self) -> AnswerApproval:
        if self.input is not None and not self.granted:
            raise ValueError("another input is for what is granted")
        if self.message is not None and self.granted:
            raise ValueError("a message is for what is denied")
        try:
            json.dumps(self.input, allow_nan=False)
        except (ValueError, RecursionError):
            raise ValueError("input is no JSON") from None
        return self
