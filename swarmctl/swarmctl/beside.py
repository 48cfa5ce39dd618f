"""What is wished for beside an agent's command: who is told of it, and a worktree of its own.

`notify` (commands and URLs), `worktree` (whether), `branch`, `worktree_end` become what spawn is given. A worktree is
made at once, and is gone again where the agent cannot be.
"""

from __future__ import annotations

import os
from typing import Any

from swarm_daemon import spawn as spawning
from swarm_store.errors import WrongUsage
from swarm_store.home import Home

ENDS = ("auto", "keep", "remove")
NAMES = ("notify", "worktree", "branch", "worktree_end")


def check(wish: dict[str, Any]) -> dict[str, Any]:
    """Of these wishes those that were made. Raises WrongUsage for what makes no sense."""
    if not wish["worktree"]:
        for name in ("branch", "worktree_end"):
            if wish[name] is not None:
                raise WrongUsage(f"--{name.replace('_', '-')} is of a worktree", "add --worktree")
    if wish["worktree_end"] not in (None, *ENDS):
        raise WrongUsage(f"no such end of a worktree: {wish['worktree_end']!r}", f"it is {', '.join(ENDS)}")
    return {name: wish[name] for name in NAMES if wish[name]}


def request(home: Home, wish: dict[str, Any], **more: Any) -> spawning.Request:
    """As swarm_daemon.spawn.request, of a wish that may have NAMES, and `agent` instead of a command (see prompting).

    Raises also what worktrees.make and notify.check do.
    """
    given = {**wish, **more}
    asked = {name: value for name in NAMES if (value := given.pop(name, None))}
    if not asked:
        return _request(home, given)
    from . import aftermath  # what a plain command needs not load

    if not asked.get("worktree"):
        return _request(home, {**given, "around": aftermath.around(asked["notify"])})
    from swarm_daemon import keeping, worktrees

    given["agent_id"] = given.get("agent_id") or spawning.new_id()
    how = {"name": given.get("name"), "branch": asked.get("branch"), "end": asked.get("worktree_end", keeping.AUTO)}
    made, given["cwd"] = worktrees.make(home, given["agent_id"], os.path.abspath(given.get("cwd") or "."), **how)
    try:
        return _request(home, {**given, "around": aftermath.around(asked.get("notify", ()), made)})
    except BaseException:
        worktrees.undo(made)
        raise


def _request(home: Home, given: dict[str, Any]) -> spawning.Request:
    by = given.pop("by", None)
    if "agent" in given:
        from . import prompting  # what a plain command needs not load

        return prompting.request(home, given, by=by)
    return spawning.request(home, given.pop("command"), **given)
