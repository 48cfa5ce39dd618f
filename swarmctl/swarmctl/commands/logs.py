"""`swarmctl logs`: what agents have written, and are writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from swarm_store import events, registry
from swarm_store.errors import WrongUsage
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.follow import PAGE, follow
from swarm_store.lifecycle import TERMINAL
from swarm_store.log import FOREVER, Log
from swarm_store.output import last_chunks

from .. import home, values
from ..streams import JsonForm, Printer
from .options import HELP, AgentsArgument, FollowOption, JsonOption, new_verb
from .waiting import Orphans

verb = new_verb()


@verb.command(context_settings=HELP)
def logs(
    agent: AgentsArgument,
    follow: FollowOption = False,
    last: Annotated[int | None, typer.Option("-n", "--lines", min=0, help="Only the last N lines of each.")] = None,
    since: Annotated[str | None, typer.Option(metavar="T", help="From this time on, or this long ago.")] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Up to this time.")] = None,
    stream: Annotated[str | None, typer.Option(metavar="stdout|stderr", help="Only one of the two.")] = None,
    times: Annotated[bool, typer.Option("-t", "--timestamps", help="Put the time before each line.")] = False,
    json: JsonOption = False,
) -> None:
    """Show output: one agent's bytes as they came, or the lines of several with their names.

    \b
    Examples:
      swarmctl logs build
      swarmctl logs -f -n 20 build
      swarmctl logs --since 10m --stream stderr web api
      swarmctl logs --json build | jq -r '.[].line'
    """
    if stream not in (None, *events.OUTPUT_TYPES):
        raise WrongUsage(f"no such stream: {stream!r}", "it is stdout or stderr")
    if follow and until is not None:
        raise WrongUsage("--follow and --until exclude each other", "leave one out")
    types = list(events.OUTPUT_TYPES.values()) if stream is None else [events.OUTPUT_TYPES[stream]]
    span = (0 if since is None else values.moment(since), FOREVER if until is None else values.moment(until))
    with home.reading() as log:
        agents = home.resolve_all(log, agent)
        form: JsonForm = "no" if not json else "lines" if follow else "array"
        names = {events.agent_stream(one["id"]): one["name"] or one["id"] for one in agents}
        printer = Printer(
            names, prefix=len(agents) > 1, times=times, json=form, cut=last is not None or since is not None
        )
        starts = _print_so_far(log, printer, list(names), types, span, last)
        if follow:
            follow_output(log, printer, agents, starts, types)
        printer.rest()


def _print_so_far(
    log: Log, printer: Printer, streams: list[str], types: list[str], span: tuple[int, int], last: int | None
) -> dict[str, int]:
    """Print what is there; the offset from which each stream goes on."""
    starts = {}
    for stream in streams:
        head = log.head(stream)
        if last is None:
            _print_pages(log, printer, stream, types, span, head)
        else:
            _print_last(log, printer, stream, types, span, last, head)
        starts[stream] = head
    return starts


def _print_pages(log: Log, printer: Printer, stream: str, types: list[str], span: tuple[int, int], head: int) -> None:
    start = 0
    if span[0]:
        printer.begin(stream, _chunks_before(log, stream, types, to=span[0]))
    while start < head:
        page = log.read(stream, start=start, until=head, types=types, since=span[0], to=span[1], limit=PAGE)
        if not page:
            return
        printer.chunks(page)
        start = page[-1].offset + 1


def _print_last(
    log: Log, printer: Printer, stream: str, types: list[str], span: tuple[int, int], last: int, head: int
) -> None:
    def newest_first() -> Iterator[Record]:
        until = head
        while page := log.read(stream, until=until, types=types, since=span[0], to=span[1], limit=PAGE, backwards=True):
            yield from page
            until = page[-1].offset

    chunks = last_chunks(newest_first(), last) if last else []
    printer.begin(stream, _chunks_before(log, stream, types, until=chunks[0].offset if chunks else head))
    printer.last_lines(stream, chunks, last)


def _chunks_before(log: Log, stream: str, types: list[str], *, until: int = FOREVER, to: int = FOREVER) -> list[Record]:
    """The last chunk of each of `types` before an offset or a time."""
    found = (log.read(stream, until=until, to=to, types=[type], limit=1, backwards=True) for type in types)
    return [chunk for chunks in found for chunk in chunks]


def follow_output(log: Log, printer: Printer, agents: list[Agent], starts: dict[str, int], types: list[str]) -> None:
    """Print what comes until every agent has ended and all of it is printed."""
    running = {agent["id"] for agent in agents}
    orphans = Orphans(log)
    for page in follow(log, starts, types=types):
        printer.chunks(page)
        for record in page:
            starts[record.stream] = record.offset + 1
        if page:
            continue
        running = {one for one in running if not _has_ended(log, one)}
        orphans.look(running)
        if not running:  # what was written between the empty page and the end
            for stream, start in starts.items():
                while rest := log.read(stream, start=start, types=types, limit=PAGE):
                    printer.chunks(rest)
                    start = rest[-1].offset + 1
            return


def _has_ended(log: Log, agent_id: str) -> bool:
    agent = registry.get(log, agent_id)
    return agent is None or agent["state"] in TERMINAL
