"""`swarmctl import`: take in what `swarmctl export` has written."""

from __future__ import annotations

import shutil
import sys
import tempfile
from typing import Annotated, BinaryIO

import typer

from swarm_daemon import control
from swarm_store.errors import WrongUsage
from swarm_store.transfer import take_in

from .. import elsewhere, home
from .options import HELP, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def import_log(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An export; - for standard input.")],
) -> None:
    """Take agents in that were exported, with all they wrote; prints their ids.

    All is checked first, and nothing is done where a line is bad or an agent is in the log already. An agent that lived
    when it was exported comes in as lost. An import that was killed goes on when it is run again with the same file.

    \b
    Examples:
      swarmctl import log.jsonl
      swarmctl export build | SWARM_HOME=/elsewhere swarmctl import -
    """
    if far := elsewhere.far():
        with _readable(file) as lines:
            for agent_id in far.swarm.take_in(lines):
                print(agent_id)
        return
    with _readable(file) as lines, home.writing() as log:
        control.finish_removals(log)
        for agent_id in take_in(log, lines):
            print(agent_id)


def _readable(file: str) -> BinaryIO:
    """The file, or a copy of what standard input gives: it is read twice."""
    if file != "-":
        try:
            return open(file, "rb")
        except OSError as error:
            raise WrongUsage(f"cannot read {file}: {error.strerror}", "name another file") from error
    kept: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(sys.stdin.buffer, kept)
    kept.seek(0)
    return kept
