"""Conversations as `logs` prints them: by the line, of several agents with their names before, as JSON the events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from swarm_store import session_events as said
from swarm_store.clock import rfc3339
from swarm_store.events import Record
from swarm_store.exported import record_as_data
from swarm_store.fold import Agent
from swarm_store.log import Log

from .conversation import STYLES, Conversation, Line
from .output import Chosen
from .render import printable
from .streams import Json, Out

MOST_FOR_USAGE = 5000  # events that are read further back for what a turn has used


def has_colours() -> bool:
    """Whether stdout is a terminal with colours that somebody wants."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(line: Line, *, colours: bool) -> str:
    """A line as it is written, without its newline."""
    code = STYLES[line.style] if colours else ""
    return f"\x1b[{code}m{line.text}\x1b[m" if code and line.text else line.text


class Transcript:
    """Prints the conversations of agents, by their streams. `names`: what each agent is called."""

    def __init__(
        self,
        agents: Sequence[tuple[str, str, Agent]],
        *,
        prefix: bool = False,
        times: bool = False,
        colours: bool = False,
        json: Json | None = None,
        out: Out | None = None,
    ) -> None:
        """`agents`: stream, what the agent is called, and itself. `json`: where events go instead of lines."""
        self.streams = frozenset(stream for stream, _, _ in agents)
        self._names = {stream: printable(name) for stream, name, _ in agents}
        self._conversations = {stream: Conversation(agent["kind"] or "agent") for stream, _, agent in agents}
        self._prefix, self._times, self._colours = prefix, times, colours
        self._json = json
        self._out: Out = out or sys.stdout.buffer

    def chunks(self, records: Iterable[Record]) -> None:
        """Print what events of any of the streams say."""
        for record in records:
            if self._json is not None:
                self._json.item({"name": self._names[record.stream], **record_as_data(record)})
            else:
                for line in self._conversations[record.stream].feed(record):
                    self._print(record.stream, line)
        self._out.flush()

    def last_lines(self, stream: str, newest_first: Iterable[Record], count: int) -> None:
        """Print the last `count` lines of what the events say; as JSON, the last so many events."""
        if self._json is not None:
            return self.chunks(reversed(list(islice(newest_first, count))))
        lines = list(self._conversations[stream].all(last_records(newest_first, count)))
        for line in lines[-count:] if count else ():
            self._print(stream, line)
        self._out.flush()
        return None

    def _print(self, stream: str, line: Line) -> None:
        before = f"{rfc3339(line.time)} " if self._times else ""
        before += f"{self._names[stream]}  " if self._prefix else ""
        text = (before + painted(line, colours=self._colours)).rstrip(" ") + "\n"
        self._out.write(text.encode("utf-8", "replace"))


def print_so_far(
    log: Log, transcript: Transcript, stream: str, chosen: Chosen, last: int | None, head: int
) -> Iterator[None]:
    """Print what `stream` has before the offset `head`, or the `last` lines of that; a page with each step."""
    if last is not None:
        transcript.last_lines(stream, chosen.newest_first(log, stream, head), last)
        yield
        return
    start = 0
    while start < head and (page := chosen.read(log, stream, start=start, until=head)):
        transcript.chunks(page)
        start = page[-1].offset + 1
        yield


def last_records(newest_first: Iterable[Record], lines: int) -> list[Record]:
    """As many of the last events as make so many lines, oldest first.

    Before them comes what the turns that end among them have used: it is said at their ends.
    """
    newest = iter(newest_first)
    taken: list[Record] = []
    seen = 0
    for record in newest:
        taken.append(record)
        seen += _least_lines(record)
        if seen > lines:  # one more than asked for: the first may lack what was before it
            break
    taken.extend(_used_before(taken, islice(newest, MOST_FOR_USAGE)))
    taken.reverse()
    return taken


def _least_lines(record: Record) -> int:
    """How many lines an event makes, but for what may have been said before it: who speaks, and of which tool."""
    own = " -?=*" if record.type == said.TOOL_CALLED else " -?="
    return sum(line.text.startswith(tuple(own)) for line in Conversation("").feed(record))


def _used_before(taken: Iterable[Record], older: Iterator[Record]) -> Iterator[Record]:
    """Of turns that end in `taken` and begin before: the reports of usage, and the beginning. Newest first."""
    ends = {one.data["turn"] for one in taken if one.type == said.TURN_COMPLETED}
    ends -= {one.data["turn"] for one in taken if _is_beginning(one)}
    while ends and (record := next(older, None)):
        begins = _is_beginning(record)
        if (begins or record.type == said.USAGE_REPORTED) and record.data["turn"] in ends:
            yield record
        if begins:
            ends.discard(record.data["turn"])


def _is_beginning(record: Record) -> bool:
    return record.type == said.TURN_STARTED and not record.data["again"]
