"""`swarmctl rm`: forget ended agents."""

from __future__ import annotations

from swarm_daemon import control
from swarm_store.errors import NotPossible
from swarm_store.lifecycle import LIVE

from .. import home
from ..progress import progress
from .options import HELP, AgentsArgument, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def rm(agent: AgentsArgument) -> None:
    """Delete ended agents with their output. Their lifecycle events stay in the log.

    \b
    Examples:
      swarmctl rm build
      swarmctl rm $(swarmctl list --all --state failed -q)
    """
    with home.writing() as log:
        agents = home.resolve_all(log, agent)
        live = [one["id"] for one in agents if one["state"] in LIVE]
        if live:
            raise NotPossible(f"not ended yet: {', '.join(live)}", "nothing was removed; swarmctl cancel ends them")
        with progress("removing", len(agents)) as advance:
            for one in agents:
                control.forget(log, one)
                advance()
