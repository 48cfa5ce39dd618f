"""Why the worktree of an agent is kept: who works in it, what would be lost with it. Nothing here changes anything.

What is only there is work: uncommitted or untracked files, a merge or rebase under way, commits that no branch has,
submodules and other repositories. Files that git ignores are not.
"""

from __future__ import annotations

import os

from swarm_store import lifecycle, registry
from swarm_store.errors import SwarmError

from . import git, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_store.fold import Agent
    from swarm_store.log import Log

    from .worktrees import Worktree

KEEP, REMOVE, AUTO = "keep", "remove", "auto"  # auto: removed where the agent has left nothing
ENDS = (KEEP, REMOVE, AUTO)
UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply")

MOST_DIRECTORIES = 100_000  # in which repositories are looked for


def why_used(log: Log, agent: Agent) -> str | None:
    """Who works in it, though its agent has ended; None where nobody is known to.

    An agent begins in the directory of whoever spawns it, and outlives that.
    """
    path = os.path.realpath(agent["worktree"]["path"])
    if not os.path.isdir(path):
        return None
    for other in registry.agents(log, ended=True):
        goes_on = other["state"] in lifecycle.LIVE or lifecycle.may_be_restarted(other)
        if goes_on and other["id"] != agent["id"] and _is_in(other["cwd"], path):
            return f"agent {other['id']} works in it"
    if agent["left"] != 0 and f"{agent['id']}.{agent['run']}" in tree.marked(log.home):
        return "a process that the agent has left still runs"
    return None


def _is_in(directory: str, path: str) -> bool:
    return f"{os.path.realpath(directory)}/".startswith(f"{path}/")


def why_kept(kept: Worktree) -> str | None:
    """Why it is not removed at the end; None where it is."""
    if kept["end"] == KEEP:
        return "it is to be kept"
    why = why_unsafe(kept)
    if why is None and kept["end"] == AUTO and (count := commits(kept)):
        return f"its branch has {count} commit{'s' * (count > 1)} of its own"
    return why


def why_unsafe(kept: Worktree) -> str | None:
    """What would be lost with it; None where nothing would, or it is gone."""
    path = kept["path"]
    if not os.path.exists(os.path.join(path, ".git")):
        return "it is no worktree any more" if os.path.isdir(path) and os.listdir(path) else None
    try:
        own = git.run("rev-parse", "--absolute-git-dir", cwd=path).strip()
        if os.path.isdir(os.path.join(own, "modules")):
            return "it has submodules"
        if os.path.exists(os.path.join(own, "locked")):
            return "it is locked"
        if count := changes(path):
            return f"{count} file{'s' * (count > 1)} in it {'are' if count > 1 else 'is'} not committed"
        if hidden := _hidden(path):
            return f"git was told not to look at {hidden}"
        found = [name for name in UNDER_WAY if os.path.exists(os.path.join(own, name))]
        if found:
            return f"something is under way in it ({found[0]})"
        if git.run("rev-list", "--max-count=1", "HEAD", "--not", "--branches", "--tags", "--remotes", cwd=path).strip():
            return "it has commits that no branch has"
    except SwarmError as error:
        return error.message
    return _inner_repository(path)


def changes(path: str) -> int:
    """How many files in it are not committed, untracked ones too."""
    how = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=none")
    return git.run("status", *how, cwd=path).count("\0")


def _hidden(path: str) -> str | None:
    """A file in it that git takes for unchanged whatever is in it, as `git update-index` can say."""
    tagged = [line.split(" ", 1) for line in git.run("ls-files", "-v", "-z", cwd=path).split("\0") if line]
    hidden = (name for tag, name in tagged if tag.islower() or tag == "S")
    return next((name for name in hidden if os.path.lexists(os.path.join(path, name))), None)  # not: a sparse checkout


def _inner_repository(path: str) -> str | None:
    """Why another repository's work may be lost: git looks into none that is committed as a link, or ignored."""
    for count, (place, directories, files) in enumerate(os.walk(path)):
        if count == MOST_DIRECTORIES:
            return f"it has more than {MOST_DIRECTORIES} directories, in which repositories may be"
        if count and ".git" in (*directories, *files):
            return f"a repository is in it ({os.path.relpath(place, path)})"
    return None


def about(path: str) -> tuple[str | None, int | None]:
    """The branch of a worktree of which nothing is known but its place, and how many files are not committed."""
    try:
        return git.run("symbolic-ref", "--short", "HEAD", cwd=path).strip(), changes(path)
    except SwarmError:
        return None, None


def commits(kept: Worktree) -> int:
    """How many commits its branch, or whatever is checked out in it, has beyond where it began."""
    places = [kept["branch"]] if git.has_branch(kept["git"], kept["branch"]) else []
    if os.path.exists(os.path.join(kept["path"], ".git")):
        places.append(git.run("rev-parse", "HEAD", cwd=kept["path"]).strip())
    if not places:
        return 0
    return int(git.run("rev-list", "--count", *places, f"^{kept['base']}", "--", of=kept["git"]))
