"""Git repositories for tests: real ones, with nothing of the user's configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PLAIN = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(where: str | os.PathLike[str], *words: str) -> str:
    """What git prints, which must succeed."""
    command = ["git", "-c", "protocol.file.allow=always", *words]
    done = subprocess.run(command, cwd=where, env={**os.environ, **PLAIN}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def repository(path: Path) -> Path:
    """A new one with one commit, in which are `file`, `sub/inner` and what git is to ignore."""
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "sub").mkdir()
    (path / "file").write_text("one\n")
    (path / "sub" / "inner").write_text("two\n")
    (path / ".gitignore").write_text("ignored\n")
    git(path, "add", ".")
    git(path, "commit", "-qm", "first")
    return path


def branches(path: Path) -> set[str]:
    return set(git(path, "for-each-ref", "--format=%(refname:short)", "refs/heads").split())
