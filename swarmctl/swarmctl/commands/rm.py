"""`swarmctl rm`: forget ended agents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

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
        for one in sorted(agents, key=lambda one: one["depth"]):  # a tree's top first: it may need what is below it
            forget(one)
            advance()
    say_left(agents)


def say_left(agents: Iterable[Agent]) -> None:
    """Say on stderr which worktrees of removed agents are kept, and why."""
    for one in agents:
        if one.get("worktree"):
            from swarm_daemon import worktrees  # what few removals need

            if (line := worktrees.left(one)) is not None:
                print(f"swarmctl: {line}", file=sys.stderr)
