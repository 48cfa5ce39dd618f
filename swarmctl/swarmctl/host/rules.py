"""What may be done without asking: rules, what was answered for good, and the policy. Pure.

A rule is `Tool` or `Tool(glob)`, after Claude Code's: the glob is held against the command of what runs one, the path
of what touches a file, the address of what fetches one, and else against the title. Tools are told apart without regard
to case, and may have globs themselves (`mcp__github__*`). Deny beats allow. Of a tool that is used with several of
these (a change to two files) an allowing glob must match all, and a denying one any. In a command that is made of
several, an allowing glob must be the whole command, letter for letter, or `*`: `Bash(git *)` does not let
`git status; rm -rf /` through. A denying one is held against each of them too.
"""

from __future__ import annotations

import json
import os.path
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from swarm_store.conversation import POLICY, RULE
from swarm_store.errors import WrongUsage

from .facts import Permission

POLICIES = ("ask", "never", "auto-read", "all")
_RULE = re.compile(r"([^()\s]+)(?:\((.*)\))?", re.DOTALL)
_COMMANDS = ("command", "cmd")
_PATHS = ("file_path", "filePath", "filepath", "path", "notebook_path")
_MANY, _ADDRESS = "paths", "url"
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish")
_BEFORE = re.compile(r"(?:(?:\w+=\S*|command|env|exec|nohup|sudo|time) )+")  # what a command may be run by
_PARTS = re.compile(r"[;&|\n`()<>]|\$\(")  # what makes several commands of one; a quoted one too, to be safe


class Verdict(NamedTuple):
    """What is decided without asking. `by`: RULE or POLICY; `rule`: which, as it was written, or the policy's name."""

    granted: bool
    by: str
    rule: str


class Remembered(NamedTuple):
    """What was answered for good: of this tool exactly this subject."""

    tool: str
    subject: str
    granted: bool


def check(text: str) -> str:
    """The same rule. Raises WrongUsage where it is none."""
    if not _RULE.fullmatch(text):
        raise WrongUsage(f"not a rule: {text!r}", "write Tool or Tool(glob), as in 'Bash(git *)'")
    return text


def decide(
    wish: Permission,
    *,
    allow: Iterable[str],
    deny: Iterable[str],
    remembered: Iterable[Remembered] = (),
    approve: str,
    cwd: str,
) -> Verdict | None:
    """What is decided of a wish without asking anybody; None where it is to be asked."""
    known = list(remembered)
    for rule in deny:
        if _matches(rule, wish, cwd, denying=True):
            return Verdict(False, RULE, rule)
    for granted in (False, True):
        one = Remembered(wish.tool, subject_of(wish.input, wish.title), granted)
        if one in known:
            return Verdict(granted, RULE, f"always {one.tool}({one.subject})")
    for rule in allow:
        if _matches(rule, wish, cwd, denying=False):
            return Verdict(True, RULE, rule)
    if approve == "auto-read" and wish.reads_only:
        return Verdict(True, POLICY, approve)
    return Verdict(approve == "all", POLICY, approve) if approve in ("all", "never") else None


def subject_of(given: dict[str, Any], title: str) -> str:
    """What stands for a use of a tool, so that what was answered for good holds for just that.

    Its command, path or address, all of them where it has several; without one, all that it is used with.
    """
    named = _named(given)
    if named:
        return named[0] if len(named) == 1 else json.dumps(named, ensure_ascii=False)
    return f"{title} {json.dumps(given, ensure_ascii=False, sort_keys=True)}" if given else title


def is_named(given: dict[str, Any]) -> bool:
    """Whether a tool's input has what a glob is held against."""
    return bool(_named(given))


def _named(given: dict[str, Any]) -> list[str]:
    command, address = _command(given), given.get(_ADDRESS)
    return [one for one in (command, *sorted(_paths(given)), address) if isinstance(one, str) and one]


def _command(given: dict[str, Any]) -> str | None:
    for name in _COMMANDS:
        if isinstance(given.get(name), str) and given[name]:
            return str(given[name])
        if isinstance(given.get(name), list):
            words = [str(word) for word in given[name]]
            is_script = len(words) == 3 and words[1] in ("-c", "-lc") and os.path.basename(words[0]) in _SHELLS
            return words[2] if is_script else " ".join(words)
    return None


def _paths(given: dict[str, Any]) -> set[str]:
    many = given.get(_MANY)
    found = [given.get(name) for name in _PATHS] + (many if isinstance(many, list) else [])
    return {one for one in found if isinstance(one, str) and one}


def _matches(rule: str, wish: Permission, cwd: str, *, denying: bool) -> bool:
    parts = _RULE.fullmatch(rule)
    if parts is None or not fnmatchcase(wish.tool.casefold(), parts[1].casefold()):
        return False
    glob = parts[2]
    if glob is None or glob == "*":
        return True
    command, address = _command(wish.input), wish.input.get(_ADDRESS)
    found = [any(fnmatchcase(one, glob) for one in _ways(path, cwd)) for path in _paths(wish.input)]
    if command is not None:
        found.append(_matches_command(glob, command.strip(), denying=denying))
    if isinstance(address, str) and address:
        found.append(fnmatchcase(address, glob))
    if not found:
        return fnmatchcase(wish.title, glob)
    return any(found) if denying else all(found)


def _matches_command(glob: str, command: str, *, denying: bool) -> bool:
    pieces = [piece.strip() for piece in _PARTS.split(command)]
    if denying:
        plain = [" ".join(piece.split()) for piece in pieces]
        bare = [_BEFORE.sub("", piece, count=1) if _BEFORE.match(piece) else piece for piece in plain]
        return any(_is_like(one, glob) for one in (command, *pieces, *plain, *bare))
    return command == glob if len(pieces) > 1 else _is_like(command, glob)


def _is_like(command: str, glob: str) -> bool:
    """`git *` is also `git` alone."""
    return fnmatchcase(command, glob) or (glob.endswith(" *") and fnmatchcase(command, glob[:-2]))


def _ways(path: str, cwd: str) -> list[str]:
    """What a path may be called: whole, and from the agent's directory, without `..`.

    Tools take `~` for somebody's home, as shells do: it is no directory below the agent's.
    """
    if path.startswith("~"):
        path = os.path.expanduser(path)
        if path.startswith("~"):  # nobody's home that is known
            return [path]
    whole = os.path.normpath(os.path.join(cwd, path))
    inside = whole.startswith(cwd.rstrip("/") + "/")
    return [whole, os.path.relpath(whole, cwd)] if inside else [whole]
