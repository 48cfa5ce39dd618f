"""`swarmctl interrupt`: the end of a turn, not of a session."""

from __future__ import annotations

from swarm_daemon import conversing
from swarm_store import registry

from .. import elsewhere, home, who
from .options import HELP, AgentArgument, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def interrupt(agent: AgentArgument) -> None:
    """End the turn that an agent is at; its session stays, and the next turn goes on from there.

    A plain command, and a program on a terminal, get SIGINT, as by Ctrl-C.

    \b
    Examples:
      swarmctl interrupt fixer
      swarmctl interrupt fixer && swarmctl send fixer 'Not that one: the other test.'
    """
    if far := elsewhere.far():
        far.swarm.interrupt(agent, by=who.user_at_host())
        return
    with home.writing() as log:
        conversing.interrupt(log, registry.resolve(log, agent), by=who.user_at_host())
