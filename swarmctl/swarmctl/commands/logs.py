"""`swarmctl logs`: what agents have written, and are writing."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from swarm_store import events, registry
from swarm_store.errors import WrongUsage
from swarm_store.fold import Agent
from swarm_store.follow import follow as follow_streams
from swarm_store.lifecycle import TERMINAL
from swarm_store.log import FOREVER, Log

from .. import elsewhere, home, values
from ..output import Chosen, print_so_far
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
    run: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the N-th run, from 1.")] = None,
    times: Annotated[bool, typer.Option("-t", "--timestamps", help="Put the time before each line.")] = False,
    json: JsonOption = False,
) -> None:
    """Show output: one agent's bytes as they came, of all its runs, or the lines of several with their names.

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
    form: JsonForm = "no" if not json else "lines" if follow else "array"
    shown = Shown(times, form, last, follow, cut=last is not None or since is not None)
    far = elsewhere.far()
    (_show if far is None else far.show_output)(agent, Chosen(types, run, *span), shown)


class Shown(NamedTuple):
    """How output is shown; `last`: so many lines of what is there, `cut`: reading begins in the middle."""

    times: bool
    json: JsonForm
    last: int | None
    follow: bool
    cut: bool

    def printer(self, agents: list[Agent]) -> Printer:
        """What prints the output of these agents so."""
        names = {events.agent_stream(one["id"]): one["name"] or one["id"] for one in agents}
        return Printer(names, prefix=len(agents) > 1, times=self.times, json=self.json, cut=self.cut)


def _show(words: list[str], chosen: Chosen, shown: Shown) -> None:
    with home.patiently(home.reading()) if shown.follow else home.reading() as log:
        agents = home.resolve_all(log, words)
        printer = shown.printer(agents)
        starts = {}
        for name in (events.agent_stream(one["id"]) for one in agents):
            starts[name] = log.head(name)
            for _ in print_so_far(log, printer, name, chosen, shown.last, starts[name]):
                pass
        if shown.follow:
            follow_output(log, printer, agents, starts, chosen)
        printer.rest()


def follow_output(log: Log, printer: Printer, agents: list[Agent], starts: dict[str, int], chosen: Chosen) -> None:
    """Print what comes until every agent, or the run that is followed, has ended and all of it is printed."""
    running = {agent["id"] for agent in agents}
    orphans = Orphans(log)
    for page in follow_streams(log, starts, types=chosen.types, run=chosen.run):
        printer.chunks(page)
        for record in page:
            starts[record.stream] = record.offset + 1
        if page:
            continue
        running = {one for one in running if not _has_ended(log, one, chosen.run)}
        orphans.look(running)
        if not running:  # what was written between the empty page and the end
            for stream, start in starts.items():
                while rest := chosen.read(log, stream, start=start):
                    printer.chunks(rest)
                    start = rest[-1].offset + 1
            return


def _has_ended(log: Log, agent_id: str, run: int | None) -> bool:
    agent = registry.get(log, agent_id)
    if agent is None:
        return log.openings == 0  # another log than we began with may not know it yet
    return agent["state"] in TERMINAL or (run is not None and agent["run"] > run)
