"""What is read on and on: an agent's output, events, changes of agents. No I/O, see `exchange`.

Streams are read by the Durable Streams protocol, live ones by long-polling: an answer is whole or it is none, and the
offset that it names is where the next begins. So after a dropped connection, or when a server was restarted, nothing is
missed and nothing comes twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from swarm_store import events as vocabulary
from swarm_store.errors import NoSuchAgent
from swarm_store.events import Record
from swarm_store.lifecycle import TERMINAL
from swarm_store.output import Once

from . import calls
from .errors import NotFound
from .exchange import FOREVER, Feed, Item, Steps, ask, get
from .types import STREAM_OF, Agent, Change, Chunk, Event, StreamName, record

LONG_POLL = 60.0  # seconds that a live reader is ready to wait for an answer; servers take 30
PAGE = 500
LOOK = 5.0  # seconds between looks at whether an agent of which nothing is heard has ended
ENDS = (vocabulary.AGENT_EXITED, vocabulary.AGENT_LOST, vocabulary.AGENT_START_FAILED)


def path_of(stream: str) -> str:
    """The path of a stream."""
    return f"/v1/stream/{quote(stream)}"


class Page(NamedTuple):
    """What one read of a stream gave; `is_end`: that is all there is by now."""

    records: list[Record]
    is_end: bool


class Reader:
    """A place in a JSON stream."""

    def __init__(self, stream: str, offset: str = "-1") -> None:
        self._path = path_of(stream)
        self._cursor: str | None = None
        self.offset = offset
        self.is_at_end = False

    def read(self, *, live: bool) -> Steps[list[Any]]:
        """The messages that come next; at the end, `live` waits for some. Waits for a server that is away too."""
        more = [("live", "long-poll"), ("cursor", self._cursor)] if live and self.is_at_end else []
        request = get(self._path, ("offset", self.offset), *more, waits=LONG_POLL if more else 0.0)
        answer = yield from ask(request, until=FOREVER)
        self.offset = answer.headers.get("stream-next-offset", self.offset)
        self._cursor = answer.headers.get("stream-cursor")
        self.is_at_end = "stream-up-to-date" in answer.headers or "stream-closed" in answer.headers
        return answer.json() if answer.status == 200 and answer.body else []


def whole(stream: str) -> Feed[list[Any]]:
    """Pages of the messages that are in a JSON stream by now."""
    reader = Reader(stream)
    while not reader.is_at_end:
        yield Item((yield from reader.read(live=False)))


def output(agent: str, *, follow: bool = False, run: int | None = None, offset: str = "-1") -> Feed[Page]:
    """Pages of an agent's stream: what it wrote, and its own events. With `follow` on, until the agent has ended.

    With `run` too: until that run has ended. Raises NoSuchAgent.
    """
    found = yield from calls.find(agent)
    reader = Reader(vocabulary.agent_stream(found["id"]), offset)
    may_have_ended, has_ended = True, False
    while True:
        try:
            messages = yield from reader.read(live=follow and not has_ended)
        except (NotFound, NoSuchAgent):  # removed
            return
        records = [record(cast(Event, message)) for message in messages]
        yield Item(Page(records, reader.is_at_end))
        closed = any(one.type == vocabulary.OUTPUT_CLOSED for one in records)
        may_have_ended = may_have_ended or closed or not records
        if not reader.is_at_end:
            continue
        if has_ended or not follow:
            return
        if may_have_ended:  # what was written before the end is read once more
            has_ended, may_have_ended = (yield from _has_ended(found["id"], run)), False


def _has_ended(agent_id: str, run: int | None) -> Steps[bool]:
    try:
        agent = yield from calls.find(agent_id, patient=True)
    except NoSuchAgent:
        return True
    return agent["state"] in TERMINAL or (run is not None and agent["run"] > run)


class Chunks:
    """Picks what was written to one stream, or to both, each byte once."""

    def __init__(self, stream: StreamName | None, run: int | None) -> None:
        self._stream = stream
        self._run = run
        self._once = Once()

    def of(self, page: Page) -> list[Chunk]:
        """The chunks of a page."""
        return [chunk for one in page.records if (chunk := self._chunk(one)) is not None]

    def _chunk(self, one: Record) -> Chunk | None:
        stream = STREAM_OF.get(one.type)
        if stream is None or self._stream not in (None, stream) or self._run not in (None, one.data["run"]):
            return None
        fresh = self._once.fresh(one)
        return fresh and Chunk(fresh.payload or b"", stream, fresh.data["run"], fresh.data["start"], fresh.time)


def events(
    after: int = 0,
    *,
    agent: str | None = None,
    types: Sequence[str] = (),
    follow: bool = False,
    deadline: float = FOREVER,
) -> Feed[list[Event]]:
    """Pages of the log's events after a position; output only where its type is asked for.

    With `follow` on and on, until the `deadline` (monotonic seconds); an empty page says that it waits.
    """
    chosen: list[tuple[str, object]] = [("agent", agent), *(("type", one) for one in types), ("limit", PAGE)]
    wait = 0.0  # at first for nothing, so that it is known when what is there has been read
    while True:
        request = get("/v1/events", ("after", after), *chosen, ("wait", f"{wait:.3f}" if wait else None), waits=wait)
        page = (yield from ask(request, until=deadline)).json()
        after = page["next"]
        yield Item(page["events"])
        left = deadline - time.monotonic()
        if not page["events"] and (not follow or left <= 0):
            return
        wait = 0.0 if page["events"] else min(calls.PATIENCE, left)


class Told:
    """A place in what is said and done in an agent's session."""

    def __init__(self, agent_id: str, after: int = 0) -> None:
        self._path = calls.path_of(agent_id, "conversation")
        self.after = after

    def last(self, count: int) -> Steps[list[Event]]:
        """The last so many events; the place is after them then."""
        page = (yield from ask(get(self._path, ("limit", max(count, 1))))).json()
        self.after = page["next"]
        return list(page["events"][-count:]) if count else []

    def read(self, wait: float = 0.0, until: float = FOREVER) -> Steps[list[Event]]:
        """What comes next, waited for so many seconds; a server that is away `until` then (monotonic seconds)."""
        given = ("after", self.after), ("limit", PAGE), ("wait", f"{wait:.3f}" if wait else None)
        page = (yield from ask(get(self._path, *given, waits=wait), until=until)).json()
        self.after = page["next"]
        return list(page["events"])


def conversation(
    agent: str, *, follow: bool = False, last: int | None = None, run: int | None = None, after: int = 0
) -> Feed[list[Event]]:
    """Pages of what was said and done in an agent's session, `after` a position, or the `last` so many events.

    With `follow` on, until the agent has ended, or that run of it. Raises NoSuchAgent.
    """
    found = yield from calls.find(agent)
    told = Told(found["id"], after)
    if last is not None:
        yield Item((yield from told.last(last)))
    has_ended, wait = False, 0.0
    while True:
        try:
            page = yield from told.read(wait)
        except (NotFound, NoSuchAgent):  # removed
            return
        yield Item(page)
        if page:
            wait = LOOK if follow and not any(one["type"] in ENDS for one in page) else 0.0
            continue
        if has_ended or not follow:
            return
        has_ended = yield from _has_ended(found["id"], run)  # what was said before the end is read once more
        wait = 0.0 if has_ended else LOOK


def newest_first(agent_id: str, before: int) -> Feed[list[Event]]:
    """Pages of what was said before a position, from its end backwards, the last event first."""
    path = calls.path_of(agent_id, "conversation")
    at: int | None = before
    while at is not None:
        page = (yield from ask(get(path, ("before", at), ("limit", PAGE)))).json()
        yield Item(page["events"][::-1])
        at = page["before"]


def turn(agent_id: str, after: int, deadline: float) -> Feed[list[Event]]:
    """Pages of what is said in a session after a position, until the `deadline`; an empty one says that it waits."""
    told = Told(agent_id, after)
    while True:
        left = deadline - time.monotonic()
        yield Item((yield from told.read(max(0.0, min(LOOK, left)), until=deadline)))
        if left <= 0:
            return


def watch() -> Feed[list[Change]]:
    """Pages of changes: first every agent that there is as an `insert`, then what becomes of them, for ever."""
    reader = Reader("state/agents")
    while True:
        messages = yield from reader.read(live=True)
        yield Item([_change(message) for message in messages])


def _change(message: dict[str, Any]) -> Change:
    headers = message["headers"]
    if "control" in headers:
        return Change(str(headers["control"]), "", None)
    gone = headers["operation"] == "delete"
    return Change(headers["operation"], message["key"], None if gone else cast(Agent, message["value"]))
