"""`swarmctl logs`: what agents have written, and are writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from swarm_store import events, registry
from swarm_store.errors import WrongUsage
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.follow import follow as follow_streams
from swarm_store.lifecycle import TERMINAL
from swarm_store.log import FOREVER, Log

from .. import elsewhere, home, values
from ..output import Chosen, print_so_far
from ..streams import JsonForm, Printer
from .options import HELP, AgentsArgument, FollowOption, JsonOption, new_verb
from .waiting import Orphans

if TYPE_CHECKING:
    from ..transcript import Transcript

verb = new_verb()


@verb.command(context_settings=HELP)
def logs(
    agent: AgentsArgument,
    follow: FollowOption = False,
    last: Annotated[int | None, typer.Option("-n", "--lines", min=0, help="Only the last N lines of each.")] = None,
    since: Annotated[str | None, typer.Option(metavar="T", help="From this time on, or this long ago.")] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Up to this time.")] = None,
    stream: Annotated[str | None, typer.Option(metavar="stdout|stderr", help="Only one of the two, as bytes.")] = None,
    run: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the N-th run, from 1.")] = None,
    times: Annotated[bool, typer.Option("-t", "--timestamps", help="Put the time before each line.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Of an AI agent what its protocol said, as it came.")] = False,
    json: JsonOption = False,
) -> None:
    """Show output: one agent's bytes as they came, of all its runs, or the lines of several with their names.

    Of an AI agent it is the conversation: what was said, the tools and what they gave, approvals, what each turn used
    and how it ended; as JSON, the events. What begins at the first column is swarmctl's own, never the agent's.

    \b
    Examples:
      swarmctl logs build
      swarmctl logs -f -n 20 build
      swarmctl logs --since 10m --stream stderr web api
      swarmctl logs --json build | jq -r '.[].line'
      swarmctl logs -f fixer
    """
    if stream not in (None, *events.OUTPUT_TYPES):
        raise WrongUsage(f"no such stream: {stream!r}", "it is stdout or stderr")
    if follow and until is not None:
        raise WrongUsage("--follow and --until exclude each other", "leave one out")
    types = list(events.OUTPUT_TYPES.values()) if stream is None else [events.OUTPUT_TYPES[stream]]
    span = (0 if since is None else values.moment(since), FOREVER if until is None else values.moment(until))
    form: JsonForm = "no" if not json else "lines" if follow else "array"
    cut = last is not None or since is not None
    shown = Shown(times, form, last, follow, cut=cut, raw=raw or stream is not None)
    far = elsewhere.far()
    (_show if far is None else far.show_output)(agent, Chosen(types, run, *span), shown)


class Shown(NamedTuple):
    """How output is shown; `last`: so many lines of what is there, `cut`: reading begins in the middle."""

    times: bool = False
    json: JsonForm = "no"
    last: int | None = None
    follow: bool = False
    cut: bool = False
    raw: bool = False

    def printer(self, agents: list[Agent]) -> Printer:
        """What prints the output of these agents so."""
        names = {events.agent_stream(one["id"]): one["name"] or one["id"] for one in agents}
        return Printer(names, prefix=len(agents) > 1, times=self.times, json=self.json, cut=self.cut)

    def transcript(self, agents: list[Agent], printer: Printer) -> Transcript | None:
        """What prints the conversations of those that are of a kind, where they are not to be shown as bytes."""
        sessions = [(events.agent_stream(one["id"]), one["name"] or one["id"], one) for one in agents if one["kind"]]
        if self.raw or not sessions:
            return None
        from ..transcript import Transcript, has_colours  # what plain commands do without

        json = None if self.json == "no" else printer.json
        return Transcript(sessions, prefix=len(agents) > 1, times=self.times, colours=has_colours(), json=json)


def _show(words: list[str], chosen: Chosen, shown: Shown) -> None:
    with home.patiently(home.reading()) if shown.follow else home.reading() as log:
        agents = home.resolve_all(log, words)
        views = Views(agents, chosen, shown)
        starts = {}
        for name in (events.agent_stream(one["id"]) for one in agents):
            starts[name] = log.head(name)
            views.print_so_far(log, name, starts[name])
        if shown.follow:
            follow_output(log, views, agents, starts)
        views.rest()


class Views:
    """What of each agent is printed, and by what: its bytes, or its conversation."""

    def __init__(self, agents: list[Agent], chosen: Chosen, shown: Shown) -> None:
        self.run = chosen.run
        self._last = shown.last
        self._printer = shown.printer(agents)
        self._transcript = shown.transcript(agents, self._printer)
        self._chosen = {events.agent_stream(one["id"]): chosen for one in agents}
        self._conversations = set()
        if self._transcript is not None:
            from swarm_store.session_events import CONVERSATION_TYPES

            self._conversations = {events.agent_stream(one["id"]) for one in agents if one["kind"]}
            said = chosen._replace(types=list(CONVERSATION_TYPES))
            self._chosen |= dict.fromkeys(self._conversations, said)

    @property
    def types(self) -> list[str]:
        """Every type that is wanted of any."""
        return sorted({type for chosen in self._chosen.values() for type in chosen.types})

    def print_so_far(self, log: Log, stream: str, head: int) -> None:
        """Print what is wanted of a stream before an offset."""
        chosen = self._chosen[stream]
        if self._transcript is not None and stream in self._conversations:
            from ..transcript import print_so_far as print_conversation

            steps = print_conversation(log, self._transcript, stream, chosen, self._last, head)
        else:
            steps = print_so_far(log, self._printer, stream, chosen, self._last, head)
        for _ in steps:
            pass

    def chunks(self, page: list[Record]) -> None:
        """Print a page of one stream."""
        wanted = [record for record in page if record.type in self._chosen[record.stream].types]
        if wanted and self._transcript is not None and wanted[0].stream in self._conversations:
            self._transcript.chunks(wanted)
        else:
            self._printer.chunks(wanted)

    def left(self, log: Log, stream: str, start: int) -> None:
        """Print what has come since an offset."""
        while page := self._chosen[stream].read(log, stream, start=start):
            self.chunks(page)
            start = page[-1].offset + 1

    def rest(self) -> None:
        """Nothing more will come."""
        self._printer.rest()


def follow_output(log: Log, views: Views, agents: list[Agent], starts: dict[str, int]) -> None:
    """Print what comes until every agent, or the run that is followed, has ended and all of it is printed."""
    running = {agent["id"] for agent in agents}
    orphans = Orphans(log)
    for page in follow_streams(log, starts, types=views.types, run=views.run):
        views.chunks(page)
        for record in page:
            starts[record.stream] = record.offset + 1
        if page:
            continue
        running = {one for one in running if not _has_ended(log, one, views.run)}
        orphans.look(running)
        if not running:  # what was written between the empty page and the end
            for stream, start in starts.items():
                views.left(log, stream, start)
            return


def _has_ended(log: Log, agent_id: str, run: int | None) -> bool:
    agent = registry.get(log, agent_id)
    if agent is None:
        return log.openings == 0  # another log than we began with may not know it yet
    return agent["state"] in TERMINAL or (run is not None and agent["run"] > run)
