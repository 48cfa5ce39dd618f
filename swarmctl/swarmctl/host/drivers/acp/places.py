"""The files that a call is about, as updates and requests name them: where it works, and what it changes. Pure."""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from typing import Any

NAMED_MOST = 200  # characters of a title that names several


def places(update: dict[str, Any]) -> list[str]:
    """What is changed, by its diffs, which have the name that a file is moved to, and then where the agent works."""
    found = []
    for name in ("content", "locations"):
        listed = update.get(name)
        for one in listed if isinstance(listed, list) else []:
            path = one.get("path") if isinstance(one, dict) else None
            found += [path] if isinstance(path, str) and path else []
    return found


def named(paths: Sequence[str], cwd: str) -> str:
    """Several in one line, for a person: as many as can be read, and how many more there are."""
    names = [_short(path, cwd) for path in paths]
    count = 1
    while count < len(names) and len(", ".join(names[: count + 1])) <= NAMED_MOST:
        count += 1
    left = [f"and {len(names) - count} more"] if count < len(names) else []
    return ", ".join([*names[:count], *left])


def _short(path: str, cwd: str) -> str:
    """From the agent's directory or from home where it is in one, and whole else: never longer, and without `..`."""
    whole, home = os.path.normpath(os.path.join(cwd, path)), os.path.expanduser("~")
    if _is_in(whole, cwd):
        return os.path.relpath(whole, cwd)
    return f"~{whole[len(home) :]}" if _is_in(whole, home) else whole


def _is_in(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip("/") + "/")
