"""`swarmctl backup`: a copy of the log, while everybody writes on."""

from __future__ import annotations

from typing import Annotated

import typer

from swarm_store.backup import backup as copy

from .. import elsewhere, home
from .options import HELP, ForceOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the copy is to be; it must not be there yet.")],
    force: ForceOption = False,
) -> None:
    """Copy the whole log to a file, as it is at this moment. Agents write on meanwhile.

    To use it, put it as swarm.db into a state directory of its own (mode 0700), and name that in SWARM_HOME.

    \b
    Examples:
      swarmctl backup /backups/swarm-$(date +%F).db
    """
    if far := elsewhere.far():
        far.backup(file, force=force)
        return
    with home.reading() as log:
        copy(log, file, force=force)
