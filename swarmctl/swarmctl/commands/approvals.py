"""`swarmctl approvals`: what agents ask to be allowed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from swarm_store import registry
from swarm_store.approvals import asked
from swarm_store.opening import NoLog

from .. import asking, elsewhere, home, render
from ..completion import complete_agent
from ..streams import Json
from .options import HELP, FollowOption, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def approvals(
    agent: Annotated[
        str | None,
        typer.Argument(metavar="[AGENT]", help="Only this agent's.", autocompletion=complete_agent),
    ] = None,
    follow: FollowOption = False,
    all: Annotated[bool, typer.Option("-a", "--all", help="The answered ones too.")] = False,
    json: JsonOption = False,
) -> None:
    """Show what agents ask to be allowed, and wait for.

    With -f each is shown when it is asked, and again when it is answered. swarmctl approve or swarmctl deny answers,
    from any shell: whoever is first.

    \b
    Examples:
      swarmctl approvals
      swarmctl approvals -f
      swarmctl approvals fixer --all --json | jq -r '.[].title'
    """
    far = elsewhere.far()
    writer = Json("no" if not json else "lines" if follow else "array")
    if follow:
        for page in (_followed if far is None else far.followed_approvals)(agent, all):
            for one in page:
                _say(one, writer)
            sys.stdout.flush()
        return
    found = (_found if far is None else far.approvals)(agent, all)
    if json:
        for one in found:
            writer.item(one)
        writer.end()
    elif found:
        styles = [asking.COLOURS.get(one["state"], "") for one in found]
        cells = [asking.row(one) for one in found]
        render.columns(asking.COLUMNS, cells, stretched="WHAT", styled="STATE", styles=styles)


def _found(word: str | None, all: bool) -> list[dict[str, Any]]:
    try:
        with home.reading() as log:
            agent_id = registry.resolve(log, word)["id"] if word else None
            return asking.as_shown(log, asked(log, agent_id=agent_id, pending=not all))
    except NoLog:
        if word:
            raise
        return []


def _followed(word: str | None, all: bool) -> Iterator[list[dict[str, Any]]]:
    with home.patiently(home.writing()) as log:
        agent_id = registry.resolve(log, word)["id"] if word else None
        yield from asking.followed(log, agent_id, all=all)


def _say(one: dict[str, Any], writer: Json) -> None:
    if writer.form == "no":
        print(asking.line(one))
    else:
        writer.item(one)
