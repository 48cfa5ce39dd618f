"""Which calls a person will have to be asked about, before Claude Code itself has judged. Pure.

Its hook, where alone a call can be deferred, runs before its own permission flow, and that flow cannot be asked. So it
is foretold here, by its modes, its own allow rules and what its tools were measured to do (docs/agents.md). To foretell
wrongly is safe: what was thought to be free is asked about live, by its own flow; of the rest a person is asked.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from ...facts import Permission

QUESTION, PLAN = "AskUserQuestion", "ExitPlanMode"
EDITING = ("Edit", "MultiEdit", "Write", "NotebookEdit")
ASKING = ("Bash", "Monitor", "WebFetch", "WebSearch", *EDITING)
_JUDGING_MODES = ("auto", "dontAsk", "bypassPermissions")  # in these it asks nobody, or judges by itself
_READING = {
    *("basename", "cat", "cut", "date", "diff", "dirname", "du", "echo", "false", "file", "find", "grep", "head", "id"),
    *("ls", "nl", "ps", "pwd", "readlink", "realpath", "rg", "sed", "sort", "stat", "tail", "test", "tr", "tree"),
    *("true", "type", "uname", "uniq", "wc", "which", "whoami"),
}
_GIT_READING = {"blame", "branch", "describe", "diff", "log", "ls-files", "rev-parse", "show", "status"}
_WRITING = re.compile(r"[><`\n]|\$\(|(?<!&)&(?!&)|(^|\s)-(i|delete|exec|execdir|ok|okdir|fprint|o|-output|-in-place)\b")
_APART = re.compile(r"\|\||&&|[|;]")
# Some of them also write, or run others, by some options: those by which they do not, and how many operands they take.
_HARMLESS = {
    "date": (r"-u", 0),
    "file": (r"-[bhiL]+|--brief|--mime(-type)?", 99),
    "find": (r"-(a|and|empty|i?name|i?path|(max|min)depth|mmin|mtime|newer|not|or|print0?|prune|size|type)", 99),
    "git branch": (r"-[arv]+|--all|--list|--show-current", 0),
    "rg": (r"(?!--pre|--host).*", 99),
    "sort": (r"-[bdfghnrRuV]+|-[kt].*", 99),
    "tree": (r"-[adfILP]+", 99),
    "uniq": (r"-[cdiu]+", 1),
}
_PRINTS = re.compile(r"\d+(,\d+)?p")  # the one script of sed that is known to


def will_ask(tool: str, given: dict[str, Any], mode: str, allowed: Iterable[str] = ()) -> bool:
    """Whether a person will have to be asked. `allowed`: the allow rules of the user's own settings."""
    if tool in (QUESTION, PLAN):
        return True
    if mode in _JUDGING_MODES or (mode == "acceptEdits" and tool in EDITING):
        return False
    if not (tool in ASKING or tool.startswith("mcp__")):
        return False
    return not (_only_reads(tool, given) or any(_allows(rule, tool, given) for rule in allowed))


def wish(call: str, tool: str, given: dict[str, Any], *, deferred: bool, description: str = "") -> Permission:
    """What is asked, for a person."""
    return Permission(
        call=call,
        tool=tool,
        title=title(tool, given) if title(tool, given) != tool else description or tool,
        input=given,
        reads_only=_changes_nothing(tool, given) or tool in ("Read", "Glob", "Grep", "LS", "WebSearch"),
        deferred=deferred,
        editable=True,
    )


def title(tool: str, given: dict[str, Any]) -> str:
    """A call in one line, for a person."""
    questions = given.get("questions")
    if tool == QUESTION and isinstance(questions, list) and questions and isinstance(questions[0], dict):
        return str(questions[0].get("question") or tool)
    for name in ("command", "file_path", "notebook_path", "url", "query", "pattern", "description", "skill"):
        if isinstance(given.get(name), str) and given[name].strip():
            return str(given[name].strip().splitlines()[0])
    return tool


def changed(tool: str, given: dict[str, Any], answer: dict[str, Any] | None) -> dict[str, Any] | None:
    """The input that was answered. To a question the answers alone are enough."""
    if answer is None or tool != QUESTION:
        return answer
    return {**given, **answer} if "answers" in answer else {**given, "answers": answer}


def is_unanswered(tool: str, given: dict[str, Any] | None) -> bool:
    """Whether a question was granted without an answer, by a rule or a policy."""
    return tool == QUESTION and not (given or {}).get("answers")


def _only_reads(tool: str, given: dict[str, Any]) -> bool:
    """Whether a shell command is made of nothing but programs that read, as far as can be seen."""
    command = given.get("command")
    if tool != "Bash" or not isinstance(command, str) or _WRITING.search(command):
        return False
    return all(_reads(part.split()) for part in _APART.split(command))


def _changes_nothing(tool: str, given: dict[str, Any]) -> bool:
    """Whether a shell command can be let run as one that only reads: what is merely likely to is not enough here."""
    if not _only_reads(tool, given) or re.search(r"[$\\]", given["command"]):
        return False
    try:
        return all(_is_harmless(shlex.split(part)) for part in _APART.split(given["command"]))
    except ValueError:  # quotes around what takes commands apart
        return False


def _is_harmless(words: list[str]) -> bool:
    """Whether none of a reading program's words, as a shell makes them, has it do anything else."""
    if words[0] == "sed":
        return words[1:2] == ["-n"] and bool(_PRINTS.fullmatch("".join(words[2:3]))) and not _options(words[3:])
    if words[0] == "git" and any(one.startswith(("--ou", "--ext", "--textc")) for one in words):
        return False
    name = " ".join(words[:2]) if words[0] == "git" else words[0]
    options, most = _HARMLESS.get(name, (r"(?s).*", 99))
    rest = words[len(name.split()) :]
    named = _options(rest)
    return _reads(words) and len(rest) - len(named) <= most and all(re.fullmatch(options, one) for one in named)


def _options(words: list[str]) -> list[str]:
    return [one for one in words if one.startswith("-")]


def _reads(words: list[str]) -> bool:
    if words[:1] == ["git"]:
        return len(words) > 1 and words[1] in _GIT_READING
    return bool(words) and words[0] in _READING and not any(_is_outside(word) for word in words[1:])


def _is_outside(word: str) -> bool:
    """A path that may be outside the agent's directory: of such a one it asks."""
    return word.startswith(("/", "~")) or ".." in word


def _allows(rule: str, tool: str, given: dict[str, Any]) -> bool:
    """Whether a rule of its own settings may let the call run: `Bash(npm test:*)`, `Edit`, `mcp__server`."""
    name, _, content = rule.rstrip(")").partition("(")
    if name != tool and not tool.startswith(name + "__") and not (name == "Edit" and tool in EDITING):
        return False
    command = given.get("command")
    if not content or not isinstance(command, str):
        return True
    return fnmatchcase(command, content.replace(":*", "*"))
