"""`swarmctl worktree`: the git worktrees of agents."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from swarm_daemon import keeping, worktrees
from swarm_store import registry
from swarm_store.errors import NotPossible, SwarmError
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.opening import NoLog

from .. import elsewhere, home, render
from .options import HELP, AgentsArgument, JsonOption, new_verb

verb = new_verb()
COLUMNS = ("AGENT", "STATE", "BRANCH", "COMMITS", "UNCOMMITTED", "AT ITS END", "PATH")
NAMES = ("agent", "state", "branch", "commits", "uncommitted", "end", "path")


@verb.callback(context_settings=HELP)
def worktree() -> None:
    """The git worktrees that agents were given by spawn --worktree: list them, and remove them by hand.

    \b
    Examples:
      swarmctl worktree list
      swarmctl worktree remove build
    """


@verb.command(name="list", context_settings=HELP)
def list_worktrees(json: JsonOption = False) -> None:
    """List the worktrees that are there, also of agents that were removed, with what only they have.

    \b
    Examples:
      swarmctl worktree list
      swarmctl worktree list --json | jq -r '.[] | select(.uncommitted > 0).path'
    """
    elsewhere.only_here("worktree")
    try:
        with home.reading() as log:
            found = _listed(log)
    except NoLog:
        found = []
    if json:
        print(render.as_json(found))
    else:
        render.plain(COLUMNS, [["-" if one[name] is None else str(one[name]) for name in NAMES] for one in found])


@verb.command(context_settings=HELP)
def remove(
    agent: AgentsArgument,
    force: Annotated[bool, typer.Option("--force", help="Also with work that is nowhere else.")] = False,
) -> None:
    """Remove the worktrees of ended agents. A branch stays where it has commits of its own.

    Refused where something would be lost: uncommitted or untracked files, a merge or rebase under way, commits that no
    branch has, submodules; and while another agent works in it, or something that its own has left. What git ignores is
    not work.

    \b
    Examples:
      swarmctl worktree remove build
      swarmctl worktree remove --force build
    """
    elsewhere.only_here("worktree")
    with home.writing() as log:
        agents = home.resolve_all(log, agent)
        without = [one["id"] for one in agents if not one["worktree"]]
        if without:
            raise NotPossible(f"no worktree: {', '.join(without)}", "nothing was removed; swarmctl worktree list")
        for one in agents:
            worktrees.remove(log, one, force=force)


def _listed(log: Log) -> list[dict[str, Any]]:
    agents = [one for one in registry.agents(log, ended=True) if one["worktree"]]
    found = [_row(one) for one in agents if os.path.isdir(one["worktree"]["path"])]
    known = {one["id"] for one in agents}
    try:
        names = sorted(set(os.listdir(worktrees.directory(log.home))) - known)
    except FileNotFoundError:
        names = []
    return found + [_stray(os.path.join(worktrees.directory(log.home), name)) for name in names]


def _row(agent: Agent) -> dict[str, Any]:
    kept = agent["worktree"]
    counts: dict[str, int | None]
    try:
        counts = {"commits": keeping.commits(kept), "uncommitted": keeping.changes(kept["path"])}
    except SwarmError:  # its repository is gone, say
        counts = {"commits": None, "uncommitted": None}
    who = {"agent": agent["id"], "name": agent["name"], "state": agent["state"]}
    return {**who, **{name: kept[name] for name in ("branch", "repo", "path", "base", "end")}, **counts}


def _stray(path: str) -> dict[str, Any]:
    """One whose agent was removed, or never came to be: what git says of it."""
    branch, uncommitted = keeping.about(path)
    row: dict[str, Any] = dict.fromkeys(("agent", "name", "state", "branch", "repo", "path", "base", "end", "commits"))
    return {**row, "branch": branch, "path": path, "uncommitted": uncommitted}
