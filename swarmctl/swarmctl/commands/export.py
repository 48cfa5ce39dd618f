"""`swarmctl export`: the log as JSON lines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from swarm_store.aside import written_aside
from swarm_store.transfer import export as lines_of

from .. import elsewhere, home
from .options import HELP, ForceOption, OptionalAgents, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def export(
    agent: OptionalAgents = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write to a file, whole or not at all.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write the log, or some agents of it, as JSON lines: every record whole, bytes in base64.

    \b
    Examples:
      swarmctl export > log.jsonl
      swarmctl export build --output build.jsonl
      swarmctl export | ssh elsewhere swarmctl import -
    """
    if far := elsewhere.far():
        far.export(agent or [], output, force=force)
        return
    with home.reading() as log:
        agents = home.resolve_all(log, agent) if agent else None
        if output is None:
            for line in lines_of(log, agents):
                sys.stdout.write(line)
            return
        with written_aside(output, log.home, force=force) as aside, open(aside, "w", encoding="ascii") as file:
            file.writelines(lines_of(log, agents))
