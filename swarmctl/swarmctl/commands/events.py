"""`swarmctl events`: the log itself, what happened to whom and when."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from swarm_store import events as vocabulary
from swarm_store.events import Record
from swarm_store.exported import record_as_data
from swarm_store.follow import follow as follow_stream
from swarm_store.follow import follow_all
from swarm_store.log import FOREVER, Log
from swarm_store.opening import NoLog

from .. import elsewhere, history, home
from ..completion import complete_agent
from ..streams import Json, event_as_text
from .options import HELP, FollowOption, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def events(
    agent: Annotated[
        str | None,
        typer.Argument(metavar="[AGENT]", help="Only this agent's.", autocompletion=complete_agent),
    ] = None,
    follow: FollowOption = False,
    after: Annotated[int, typer.Option(metavar="POSITION", min=0, help="Only what comes after this position.")] = 0,
    type: Annotated[list[str] | None, typer.Option(metavar="T", help="Only this type; may be repeated.")] = None,
    json: JsonOption = False,
) -> None:
    """Show the event log; output only where its type is asked for.

    \b
    Examples:
      swarmctl events build
      swarmctl events -f --type agent:exited --json
      swarmctl events --after 1200 --type stdout:written
    """
    far = elsewhere.far()
    writer = Json("no" if not json else "lines" if follow else "array")
    for page in (_found if far is None else far.events)(agent, follow, min(after, FOREVER - 1), type or []):
        for record in page:
            _print(record, writer)
        sys.stdout.flush()
    writer.end()


def _found(agent: str | None, follow: bool, after: int, types: list[str]) -> Iterator[list[Record]]:
    try:
        log = home.patiently(home.writing()) if follow else home.reading()
    except NoLog:
        if agent:
            raise
        return
    with log:
        key = history.agent_id(log, agent) if agent else None
        yield from _pages(log, follow, after + 1, types, key)


def _pages(log: Log, follow: bool, start: int, types: list[str], key: str | None) -> Iterator[list[Record]]:
    outputs = history.output_types(types)
    if not follow:
        yield from history.pages(log, start, types, key)
    elif key is not None and outputs:
        stream = vocabulary.agent_stream(key)
        for page in follow_stream(log, {stream: 0}, types=types):
            yield [record for record in page if record.position >= start]
    else:
        yield from follow_all(log, start, types=types, key=key, lifecycle=not outputs)


def _print(record: Record, writer: Json) -> None:
    if writer.form == "no":
        print(event_as_text(record))
    else:
        writer.item(record_as_data(record))
