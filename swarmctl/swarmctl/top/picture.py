"""Which agents are shown, in which order and in which words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from swarm_store.clock import SECOND
from swarm_store.events import Record
from swarm_store.fold import Agent, fold
from swarm_store.lifecycle import LIVE
from swarm_store.output import STREAM_OF

from ..render import COLOURS, command_line, ending, printable, status
from ..values import moment
from .ansi import Painter

SIGNS = {"running": "●", "silent": "◌", "waiting": "◐", "spawned": "○", "starting": "○", "completed": "✓"}
SIGNS |= {"failed": "✗", "cancelled": "■", "lost": "?", "lost?": "?"}
SORTS = ("newest", "name", "state", "output")
LAST_LINE = 4096  # bytes at the end of the output in which the last line is looked for


@dataclass(frozen=True, slots=True)
class Seen:
    """What the table shows of an agent: a twentieth of all that is known of it."""

    id: str
    name: str
    status: str
    is_living: bool
    since: int  # microseconds
    until: int | None
    run: int
    restarts: int
    ending: str
    labels: str
    words: str  # where a filter looks
    command: str
    waits_for: str = ""  # approval, turn, quota
    has_session: bool = False  # its output is its protocol, which is no line for a list
    last: Text | None = None
    last_stream: str = "stdout"
    last_time: int = 0

    @property
    def title(self) -> str:
        """What it is called: its name, or its id."""
        return self.name or self.id


def seen(agent: Agent, before: Seen | None = None) -> Seen:
    """What is to be seen of an agent; of its output, what was seen before."""
    labels = printable(" ".join(f"{key}={value}" for key, value in agent["labels"].items()))
    name, command = printable(agent["name"] or ""), command_line(agent)
    made = Seen(
        id=agent["id"],
        name=name,
        status=status(agent),
        is_living=agent["state"] in LIVE,
        since=moment(agent["started_at"] or agent["created_at"]),
        until=moment(agent["ended_at"]) if agent["ended_at"] else None,
        run=agent["run"],
        restarts=agent["restarts"],
        ending=ending(agent),
        labels=labels,
        words=f"{agent['id']} {name} {status(agent)} {labels} {command}".lower(),
        command=command[:200],
        waits_for=printable(agent["waiting_for"] or "") if status(agent) == "waiting" else "",
        has_session=agent["kind"] is not None,
    )
    if before is None:
        return made
    return replace(made, last=before.last, last_stream=before.last_stream, last_time=before.last_time)


def with_output(known: Seen, chunks: list[Record]) -> Seen:
    """The same agent, with the last line that these chunks hold; an empty line is none."""
    for chunk in reversed(chunks):
        for line in reversed((chunk.payload or b"")[-LAST_LINE:].split(b"\n")):
            text = Painter().paint(line)
            if text.plain.strip():
                return replace(known, last=text, last_stream=STREAM_OF[chunk.type], last_time=chunk.time)
    return known


def chosen(
    agents: Iterable[Seen], *, ended: bool, words: str, sort: str, backwards: bool, kept: str = ""
) -> list[Seen]:
    """The agents to show: living first; those in which every one of `words` occurs; `kept` also when it has ended."""
    wanted = words.lower().split()
    there = (one for one in reversed(list(agents)) if ended or one.is_living or one.id == kept)
    found = [one for one in there if all(word in one.words for word in wanted)]
    found.sort(key=lambda one: _order(one, sort), reverse=backwards)
    found.sort(key=lambda one: not one.is_living)
    return found


def _order(one: Seen, sort: str) -> Any:
    if sort == "name":
        return (not one.name, one.name or one.id)
    if sort == "state":
        return (one.status, -one.since)
    return -(one.last_time if sort == "output" else one.since)


def age(one: Seen, now: int) -> str:
    """How long the run is under way, or was, in one or two units."""
    seconds = max(0, (one.until or now) - one.since) // SECOND
    for unit, size, small, step in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // step
            return f"{seconds // size}{unit}{rest}{small}" if rest else f"{seconds // size}{unit}"
    return f"{seconds}s"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; `sort` is the order that its heading stands for."""

    title: str
    width: int
    sort: str


def columns(width: int) -> list[Column]:
    """The columns that have room; the last one takes the rest."""
    narrow = width < 60
    made = [
        Column("STATE", 11, "state"),
        Column("NAME", 10 if narrow else 14 if width < 100 else 20, "name"),
        Column("AGE", 6, "newest"),
    ]
    if not narrow:
        made.append(Column("RUN", 5, "newest"))
    if width >= 76:
        made.append(Column("LABELS", 12 if width < 100 else 22, "name"))
    left = width - sum(column.width + 1 for column in made)
    return [*made, Column("LAST LINE", max(1, left), "output")]


def cells(one: Seen, layout: list[Column], now: int) -> Text:
    """An agent's row."""
    texts = {
        "STATE": Text(f"{SIGNS.get(one.status, ' ')} {one.status}", COLOURS.get(one.status, "")),
        "NAME": Text(one.title, "" if one.name else "dim"),
        "AGE": Text(age(one, now)),
        "RUN": Text(f"{one.run}" + (f"/{one.restarts}r" if one.restarts else "")),
        "LABELS": Text(one.labels, "dim"),
        "LAST LINE": _last(one),
    }
    row = Text(end="")
    for column in layout:
        row.append_text(_fitted(texts[column.title], column.width))
        row.append(" ")
    return row


def _last(one: Seen) -> Text:
    if one.waits_for:
        return Text.assemble((f"waits for {one.waits_for}  ", "yellow"), (f"$ {one.command}", "dim"))
    if one.last and not one.has_session:
        return Text.assemble(("┃", "red"), one.last) if one.last_stream == "stderr" else one.last
    return Text(f"$ {one.command}", "dim")


def _fitted(text: Text, width: int) -> Text:
    """The text in exactly so many cells."""
    if text.cell_len > width:
        fits = len(set_cell_size(text.plain, max(0, width - 1)).rstrip())
        text = text[:fits]
        text.append("…")
    else:
        text = text.copy()
    text.append(" " * max(0, width - cell_len(text.plain)))
    return text


def heading(layout: list[Column], sort: str, backwards: bool) -> Text:
    """The titles, and by which of them the rows are in order."""
    row = Text(end="")
    for column in layout:
        is_it = column.sort == sort and (column.title != "RUN" and column.title != "LABELS")
        row.append_text(_fitted(Text(column.title + (" ↑" if backwards else " ↓") * is_it), column.width))
        row.append(" ")
    row.stylize("bold")
    return row


def summary(agents: Iterable[Seen]) -> str:
    """How many are in which state, most first."""
    counts: dict[str, int] = {}
    for one in agents:
        counts[one.status] = counts.get(one.status, 0) + 1
    return "  ".join(f"{count} {word}" for word, count in sorted(counts.items(), key=lambda pair: -pair[1]))


def runs(history: list[Record]) -> list[Agent]:
    """An agent as it was in each of its runs, last first; `history` is its registry events."""
    known: dict[str, Agent] = {}
    by_run: dict[int, Agent] = {}
    for record in history:
        known = fold([record], known)
        for agent in known.values():
            by_run[agent["run"]] = agent
    return list(by_run.values())[::-1]
