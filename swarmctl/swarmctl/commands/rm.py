"""`swarmctl rm`: forget ended agents."""

from __future__ import annotations

from collections.abc import Callable

from swarm_daemon import control
from swarm_store.errors import NotPossible
from swarm_store.fold import Agent
from swarm_store.lifecycle import LIVE

from .. import elsewhere, home
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
    if far := elsewhere.far():
        return _remove(far.resolve_all(agent), lambda one: far.swarm.remove(one["id"]))
    with home.writing() as log:
        return _remove(home.resolve_all(log, agent), lambda one: control.forget(log, one))


def _remove(agents: list[Agent], forget: Callable[[Agent], None]) -> None:
    """Forget all, or none where one lives."""
    live = [one["id"] for one in agents if one["state"] in LIVE]
    if live:
        raise NotPossible(f"not ended yet: {', '.join(live)}", "nothing was removed; swarmctl cancel ends them")
    with progress("removing", len(agents)) as advance:
        for one in agents:
            forget(one)
            advance()
