"""`swarmctl signal`: a signal for an agent, and nothing more."""

from __future__ import annotations

from typing import Annotated

import typer

from swarm_daemon import control

from .. import elsewhere, home, values
from .options import HELP, AgentArgument, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def signal_agent(
    agent: AgentArgument,
    signal: Annotated[str, typer.Argument(metavar="SIGNAL", help="TERM, SIGTERM or 15.")],
) -> None:
    """Send a signal to an agent's process group.

    \b
    Examples:
      swarmctl signal build USR1
      swarmctl signal build STOP
    """
    values.check_signal(signal)
    if far := elsewhere.far():
        far.swarm.signal(agent, signal)
        return
    with home.writing() as log:
        (found,) = home.resolve_all(log, [agent])
        control.ask_signal(log, found, signal)
