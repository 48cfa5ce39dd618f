"""What is said in paths, queries and headers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from swarm_store.log import FOREVER

MOST_AGENTS, MOST_EVENTS = 1000, 1000  # on a page
MOST_APPROVALS = 1000
MOST_WAIT = 3600.0  # seconds that can be asked for; the server answers earlier
MOST_NAMED = 100  # in one request: a head is 32 KB at most
MOST_LINES = 1_000_000
MOST_LAST = 100  # agents whose last lines are asked for together

_TIME = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?"
_AGO = r"(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,9}(\.\d{1,6})?s)?"


def _truth(given: Any) -> Any:
    """`true` and `false`, and nothing else that might be taken for one."""
    return {"true": True, "false": False}.get(given, given) if isinstance(given, str) else given


AgentWord = Annotated[
    str,
    Path(
        title="Agent",
        description="An id, the start of one that no other has, or a name: the living agent's, else the latest's.",
        min_length=1,
        max_length=64,
        examples=["build"],
    ),
]
TokenId = Annotated[
    str, Path(description="As the list of tokens shows it.", min_length=1, max_length=64, examples=["k3f9x2ab"])
]
ApprovalId = Annotated[
    str,
    Path(description="An id, or the start of one that no other has.", min_length=1, max_length=64, examples=["k3m7"]),
]
InputKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any text that is this request's alone: sent again, it is not read twice.",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any text that is this request's alone. Sent again with the same body, whenever and to whichever "
        "server of this log, it is not done again: the answer is the agent that it led to. With another body: 409.",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        examples=["7b0c4b4e-1f0e-4b6e-9d0f-5a3f0f6f3a11"],
    ),
]
Truth = Annotated[bool, BeforeValidator(_truth), Field(strict=True)]
Moment = Annotated[
    str,
    Field(
        description="An RFC 3339 time, or how long ago: 90s, 10m, 1h30m, 2d.",
        max_length=40,
        pattern=rf"^({_TIME}|{_AGO}|\d{{1,9}}(\.\d{{1,6}})?)$",
        min_length=1,
        examples=["2026-01-31T12:00:00Z", "10m"],
    ),
]
At = Annotated[
    str | None,
    Field(
        description="As it was then: a position in the log, or a time, or how long ago.",
        min_length=1,
        max_length=40,
        pattern=rf"^({_TIME}|{_AGO}|\d{{1,18}})$",
        examples=["1200", "10m"],
    ),
]
Label = Annotated[str, Field(description="K, or K=V.", min_length=1, max_length=320, examples=["team=web"])]
State = Literal["spawned", "starting", "running", "waiting", "completed", "failed", "cancelled", "lost"]


class Query(BaseModel):
    """What a query may say; a parameter that is none is refused rather than passed over."""

    model_config = ConfigDict(extra="forbid")


class ListAgents(Query):
    all: Annotated[Truth, Field(description="The ended ones too.")] = False
    state: Annotated[list[State], Field(description="Only those in one of these states.", max_length=8)] = []
    label: Annotated[list[Label], Field(description="Only those with all of these labels.", max_length=64)] = []
    name: Annotated[str | None, Field(description="Only those of this name.", max_length=63)] = None
    q: Annotated[
        str, Field(description="Only those with this in their id, name, command or labels.", max_length=200)
    ] = ""
    limit: Annotated[int, Field(description="How many a page has.", ge=1, le=MOST_AGENTS)] = 100
    after: Annotated[
        str | None, Field(description="`next` of the page before.", pattern=r"^[0-9]{1,18}$", examples=["1200"])
    ] = None
    at: At = None


class ShowAgent(Query):
    at: At = None


class WaitAgent(Query):
    timeout: Annotated[
        float,
        Field(description="Seconds to wait; the server may answer earlier. Then ask again.", ge=0, le=MOST_WAIT),
    ] = 30.0
    run: Annotated[
        int | None, Field(description="Until this run has ended, though another has begun.", ge=1, le=1 << 31)
    ] = None


class ReadOutput(Query):
    stream: Annotated[Literal["stdout", "stderr"] | None, Field(description="Only one of the two.")] = None
    run: Annotated[int | None, Field(description="Only this run's, counted from 1.", ge=1, le=1 << 31)] = None
    since: Annotated[Moment | None, Field(description="Lines from this time on.")] = None
    until: Annotated[Moment | None, Field(description="Up to this time.")] = None
    lines: Annotated[int | None, Field(description="Only so many of the last lines.", ge=0, le=MOST_LINES)] = None


class ReadLastOutput(ReadOutput):
    lines: Annotated[int, Field(description="So many of the last lines.", ge=0, le=MOST_LINES)] = 10


class ListEvents(Query):
    after: Annotated[int, Field(description="Only what comes after this position.", ge=0, le=FOREVER - 1)] = 0
    agent: Annotated[
        str | None,
        Field(description="Only this agent's; the whole id where it was removed.", min_length=1, max_length=64),
    ] = None
    type: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]],
        Field(description="Only these types; output comes only where its type is asked for.", max_length=64),
    ] = []
    limit: Annotated[int, Field(description="How many at most.", ge=1, le=MOST_EVENTS)] = 100
    wait: Annotated[
        float, Field(description="Where there is none, wait so many seconds for one.", ge=0, le=MOST_WAIT)
    ] = 0.0


class ListLastLines(Query):
    agent: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]],
        Field(description="The ids of these agents.", min_length=1, max_length=MOST_LAST),
    ]
    after: Annotated[int, Field(description="Only lines after this position.", ge=-1, le=FOREVER - 1)] = -1
    wait: Annotated[
        float, Field(description="Where there is none, wait so many seconds for one.", ge=0, le=MOST_WAIT)
    ] = 0.0


class ReadConversation(Query):
    after: Annotated[int | None, Field(description="What comes after this position.", ge=0, le=FOREVER - 1)] = None
    before: Annotated[int | None, Field(description="The last ones before this position.", ge=0, le=FOREVER - 1)] = None
    limit: Annotated[int, Field(description="How many at most.", ge=1, le=MOST_EVENTS)] = 200
    wait: Annotated[
        float, Field(description="Where nothing came after, wait so many seconds for it.", ge=0, le=MOST_WAIT)
    ] = 0.0

    @model_validator(mode="after")
    def _one_way(self) -> ReadConversation:
        if self.after is not None and self.before is not None:
            raise ValueError("after and before exclude each other")
        return self


class ListApprovals(Query):
    agent: Annotated[str | None, Field(description="Only this agent's.", min_length=1, max_length=64)] = None
    all: Annotated[Truth, Field(description="The answered ones too.")] = False
    limit: Annotated[int, Field(description="How many a page has.", ge=1, le=MOST_APPROVALS)] = 100
    after: Annotated[
        str | None, Field(description="`next` of the page before.", pattern=r"^[0-9]{1,18}$", examples=["100"])
    ] = None


class ShowUsage(Query):
    agent: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]],
        Field(description="Only these agents, with all that they have spawned.", max_length=MOST_NAMED),
    ] = []
    by: Annotated[Literal["agent", "kind", "label", "day", "model"], Field(description="What is summed up.")] = "agent"
    label: Annotated[str | None, Field(description="By this label's values.", min_length=1, max_length=63)] = None

    @model_validator(mode="after")
    def _of_a_label(self) -> ShowUsage:
        if (self.by == "label") != (self.label is not None):
            raise ValueError("by=label and label belong together")
        return self


class ListTokens(Query):
    all: Annotated[Truth, Field(description="Those too that open nothing any more.")] = False


class ExportLog(Query):
    agent: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]],
        Field(description="Only these agents; all of the log where none is named.", max_length=MOST_NAMED),
    ] = []
