"""Git worktrees of agents: made before an agent is spawned, made again before another run, removed after one or kept.

Each is in the state directory, `worktrees/<agent id>`, with a branch of its own from where its repository's HEAD was.
What is only there is never deleted: see keeping.py. Two never change one at a time: see `alone`.

`python -m swarm_daemon.worktrees AGENT RUN` is what runs before each run but the first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from contextlib import contextmanager

from swarm_store import events, lifecycle, registry
from swarm_store.errors import NotPossible, SwarmError, WrongUsage
from swarm_store.home import locate
from swarm_store.log import Log

from . import git
from .git import GitFailed
from .keeping import AUTO, KEEP, why_kept, why_unsafe, why_used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    from swarm_store.fold import Agent
    from swarm_store.home import Home

    class Worktree(TypedDict):
        """Of an agent's row. `git` is the repository itself, `repo` where it is checked out; `base` the commit that the
        branch began at; `end` one of keeping.ENDS."""

        path: str
        branch: str
        repo: str
        git: str
        base: str
        end: str


GONE = ".gone"  # what is being deleted is called so
COMMAND = (sys.executable, "-P", "-m", "swarm_daemon.worktrees")


def directory(home: Home) -> str:
    """Where they all are."""
    return os.path.join(home.path, "worktrees")


# -- before the agent


def make(
    home: Home, agent_id: str, cwd: str, *, name: str | None = None, branch: str | None = None, end: str = AUTO
) -> tuple[Worktree, str]:
    """A new worktree for an agent that would run in `cwd`; it, and the same subfolder in it.

    Its branch is swarm/NAME, or swarm/ID, where none is named. Raises WrongUsage where `cwd` is in no checkout, or the
    branch cannot be, and GitFailed.
    """
    common, repo, base, prefix = _checkout(cwd)
    if branch is None:
        branch = f"swarm/{name or agent_id}"
        if git.has_branch(common, branch):
            branch = f"{branch}-{agent_id}"
    _check_branch(common, branch)
    home.prepare()
    os.makedirs(directory(home), mode=0o700, exist_ok=True)
    path = os.path.join(directory(home), agent_id)
    os.mkdir(path, 0o700)  # git takes an empty one
    made: Worktree = {"path": path, "branch": branch, "repo": repo, "git": common, "base": base, "end": end}
    try:
        git.run("worktree", "add", "--quiet", "-b", branch, path, made["base"], of=made["git"])
        inside = os.path.join(path, prefix).rstrip("/")
        if not os.path.isdir(inside):
            raise WrongUsage(f"nothing in {prefix} is committed in {repo}", "commit it, or name another --cwd")
    except BaseException:
        undo(made)
        raise
    return made, inside


def undo(made: Worktree) -> None:
    """Remove a worktree that no agent was spawned for, with its branch. Never raises for what git says."""
    try:
        git.run("worktree", "remove", "--force", made["path"], of=made["git"])
    except SwarmError:
        shutil.rmtree(made["path"], ignore_errors=True)
    _drop_branch(made)


def _checkout(cwd: str) -> tuple[str, str, str, str]:
    """What `cwd` is in: the repository, where it is checked out, the commit there, and the subfolder."""
    if not os.path.isdir(cwd):
        raise WrongUsage(f"there is no directory {cwd}", "name another with --cwd")
    try:
        kinds = git.run("rev-parse", "--is-bare-repository", "--is-inside-work-tree", cwd=cwd).split()
    except GitFailed as error:
        if "not a git repository" not in error.message:
            raise
        raise WrongUsage(f"{cwd} is in no git repository", "git init there, or leave out --worktree") from None
    if kinds != ["false", "true"]:
        what = "a bare repository" if kinds[0] == "true" else "the inside of a git repository"
        raise WrongUsage(f"{cwd} is {what}", "name a checkout of it with --cwd")
    common, top = (_line("--path-format=absolute", one, cwd=cwd) for one in ("--git-common-dir", "--show-toplevel"))
    try:
        base = _line("--verify", "--quiet", "HEAD^{commit}", cwd=cwd)
    except GitFailed:
        raise WrongUsage(f"{top} has no commit yet", "commit something first") from None
    return common, top, base, _line("--show-prefix", cwd=cwd)


def _line(*words: str, cwd: str) -> str:
    """The one thing that is asked, which may be a path with any character in it."""
    return git.run("rev-parse", *words, cwd=cwd).removesuffix("\n")


def _check_branch(common: str, branch: str) -> None:
    if branch.startswith("-") or git.fails("check-ref-format", "--branch", branch, of=common):
        raise WrongUsage(f"no name for a branch: {branch!r}", "git help check-ref-format says what one is")
    if git.has_branch(common, branch):
        raise WrongUsage(f"there is a branch {branch} already", "name another with --branch")


# -- before another run


def restore(log: Log, agent: Agent) -> None:
    """See that the agent's worktree is there, made again from its branch if need be. Raises GitFailed."""
    kept: Worktree = agent["worktree"]
    if os.path.exists(os.path.join(kept["path"], ".git")):
        if not _is_half_made(kept):
            return
        shutil.rmtree(kept["path"])  # nobody has worked in it: the run that had it made has not begun
    os.makedirs(directory(log.home), mode=0o700, exist_ok=True)
    _unregister(kept)
    if git.has_branch(kept["git"], kept["branch"]):
        git.run("worktree", "add", "--quiet", kept["path"], kept["branch"], of=kept["git"])
    else:  # it had nothing of its own, and was removed
        git.run("worktree", "add", "--quiet", "-b", kept["branch"], kept["path"], kept["base"], of=kept["git"])
    os.chmod(kept["path"], 0o700)
    _say(log, agent, events.WORKTREE_RESTORED, None)


def _is_half_made(kept: Worktree) -> bool:
    """Whether git was killed while it made it: it keeps that locked, with this word, until all files are there."""
    try:
        with open(os.path.join(kept["path"], ".git"), encoding="utf-8", errors="surrogateescape") as file:
            place = file.read().removeprefix("gitdir: ").removesuffix("\n")
        with open(os.path.join(kept["path"], place, "locked"), encoding="utf-8", errors="replace") as file:
            return file.read().strip() == "initializing"
    except OSError:
        return False


# -- after a run, and at the agent's removal


def finish(log: Log, agent_id: str, run: int) -> None:
    """Remove the worktree after the agent's `run`, or keep it, as its `end` says, and record which and why.

    Only of the agent's latest run, once that has ended: another that has begun has it now.
    """
    with alone(log.home, agent_id):
        agent = registry.get(log, agent_id)
        if agent is not None and agent["run"] == run and agent["state"] in lifecycle.TERMINAL:
            _finish(log, agent)


def _finish(log: Log, agent: Agent) -> None:
    if lifecycle.may_be_restarted(agent):
        _say(log, agent, events.WORKTREE_KEPT, "its policy may start it again")
        return
    why = why_used(log, agent) or why_kept(agent["worktree"])
    try:
        if why is None:
            delete(agent["worktree"])
    except (SwarmError, OSError) as error:
        why = str(error)
    _say(log, agent, events.WORKTREE_REMOVED if why is None else events.WORKTREE_KEPT, why)


def forget(log: Log, agent: Agent) -> None:
    """Remove the worktree of an ended agent that is about to be removed itself; its files are kept where they must.

    Raises NotPossible where somebody works in it: once its agent is gone, nobody would remove it any more.
    """
    kept: Worktree = agent["worktree"]
    _check_unused(log, agent)
    try:
        with alone(log.home, agent["id"]):
            found = registry.get(log, agent["id"])
            if found is None or found["state"] in lifecycle.LIVE or kept["end"] == KEEP or why_unsafe(kept):
                return
            delete(kept)
    except (SwarmError, OSError):
        return  # what git does not want to remove is kept


def left(agent: Agent) -> str | None:
    """What is left of the worktree of an agent that was removed, and why, in words; None where nothing is."""
    kept: Worktree | None = agent["worktree"]
    if kept is None or not os.path.isdir(kept["path"]):
        return None
    why = "it is to be kept" if kept["end"] == KEEP else why_unsafe(kept) or "git did not remove it"
    return f"the worktree of agent {agent['id']} is kept: {why}: {kept['path']}"


def remove(log: Log, agent: Agent, *, force: bool) -> None:
    """Remove the worktree of an ended agent; `force`: with what is only there. Raises NotPossible."""
    with alone(log.home, agent["id"]):
        agent = registry.get(log, agent["id"]) or agent  # another run may have begun meanwhile
        if agent["state"] in lifecycle.LIVE:
            raise NotPossible(
                f"agent {agent['id']} is {agent['state']}", f"end it first: swarmctl cancel {agent['id']}"
            )
        _check_unused(log, agent)
        why = None if force else why_unsafe(agent["worktree"])
        if why is not None:
            raise NotPossible(f"the worktree of agent {agent['id']} is kept: {why}", "look at it; --force deletes it")
        delete(agent["worktree"])


def _check_unused(log: Log, agent: Agent) -> None:
    if (why := why_used(log, agent)) is not None:
        raise NotPossible(f"the worktree of agent {agent['id']} is in use: {why}", "end that first")


def delete(kept: Worktree) -> None:
    """Delete it, whatever is in it, and its branch if that has no commit of its own. Raises OSError, GitFailed.

    It is moved aside first: half a worktree would look as if files in it had been deleted by somebody.
    """
    aside = kept["path"] + GONE
    if os.path.isdir(kept["path"]):
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(kept["path"], aside)
    if os.path.isdir(aside):
        shutil.rmtree(aside)
    if os.path.isdir(kept["git"]):
        _unregister(kept)
        _drop_branch(kept)


def _unregister(kept: Worktree) -> None:
    """Have git forget it, whose directory is gone; and it alone: others that are missing now may come back."""
    try:
        git.run("worktree", "remove", "--force", "--force", kept["path"], of=kept["git"])  # twice: it may be locked
    except GitFailed as error:
        if "is not a working tree" not in error.message:
            raise


def _drop_branch(kept: Worktree) -> None:
    """Delete the branch if it is where it began: git itself compares, so that nobody commits in between."""
    git.fails("update-ref", "-d", f"refs/heads/{kept['branch']}", kept["base"], of=kept["git"])


def _say(log: Log, agent: Agent, type: str, reason: str | None) -> None:
    kept: Worktree = agent["worktree"]
    said = events.worktree_event(
        type, agent["id"], agent["run"], path=kept["path"], branch=kept["branch"], reason=reason
    )
    log.append(events.agent_stream(agent["id"]), [said], durable=True)


# -- git, and the lock


@contextmanager
def alone(home: Home, agent_id: str, what: str = "worktree") -> Iterator[None]:
    """Hold the lock of whoever changes that of the agent. Raises OSError where the agent is gone."""
    file = os.open(os.path.join(home.agent(agent_id), f"{what}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def main() -> int:
    """Restore the worktree for a run that is about to begin."""
    agent_id = sys.argv[1]
    try:
        with Log(locate(), create=False) as log, alone(log.home, agent_id):
            agent = registry.get(log, agent_id)
            if agent is not None and agent["worktree"]:
                restore(log, agent)
    except (SwarmError, OSError) as error:
        print(getattr(error, "message", error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
