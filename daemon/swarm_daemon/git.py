"""Git, as a command: what it prints, or why it would not."""

from __future__ import annotations

import os
import subprocess

from swarm_store.errors import SwarmError

SECONDS = 300.0  # for one call: a checkout may be big
# What a hook, say, would have git do all in another repository than the one of its directory.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")


class GitFailed(SwarmError):
    """Git would not; the message is its own."""


def run(*words: str, cwd: str | None = None, of: str | None = None) -> str:
    """What git prints, in a directory or about a repository. Raises GitFailed with its last line."""
    env = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    env |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    where = [] if of is None else [f"--git-dir={of}"]
    try:
        done = subprocess.run(
            ["git", *where, *words],
            cwd=cwd or "/",
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        if cwd is not None and not os.path.isdir(cwd):
            raise GitFailed(f"there is no directory {cwd}") from error
        raise GitFailed("git is not installed", "install it, or leave out --worktree") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {words[0]} took more than {SECONDS:g} s") from error
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        last = next((line for line in reversed(said) if line.startswith(("fatal: ", "error: "))), said[-1])
        raise GitFailed(f"git {words[0]}: {last.removeprefix('fatal: ').removeprefix('error: ')}")
    return os.fsdecode(done.stdout)


def fails(*words: str, of: str) -> bool:
    try:
        run(*words, of=of)
    except GitFailed:
        return True
    return False


def has_branch(repository: str, branch: str) -> bool:
    return not fails("show-ref", "--verify", "--quiet", f"refs/heads/{branch}", of=repository)
