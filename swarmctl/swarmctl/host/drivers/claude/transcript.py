"""What a session's own history says, which Claude Code keeps as JSON lines in `projects/*/<session>.jsonl`.

It is read for two things that the protocol does not tell a resumed session: which of the user's turns it knows, and
what its counters will go on from: a process that was killed has not saved them. The format is nobody's promise: what
is not as expected is left out, and without the file both are unknown.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...facts import Usage
from .ending import counted
from .protocol import Json, read

_COMMAND = re.compile(
    r"<command-name>(/[^<]*)</command-name>.*?(?:<command-args>(.*?)</command-args>)?\s*\Z", re.DOTALL
)
_INTERRUPTED = "[Request interrupted by user"


class History(NamedTuple):
    """`heard`: the user's turns, in order; `counters`: what was saved of them, by model."""

    heard: list[str]
    counters: dict[str, Usage]


def load(session: str, env: Mapping[str, str]) -> History | None:
    """The history of a session; None where there is none, or it cannot be read."""
    home = env.get("CLAUDE_CONFIG_DIR") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".claude")
    places = glob.glob(os.path.join(glob.escape(home), "projects", "*", f"{glob.escape(session)}.jsonl"))
    try:
        with open(max(places, key=os.path.getmtime), "rb") as file:
            return history(file)
    except (ValueError, OSError):
        return None


def history(lines: Iterable[bytes]) -> History:
    """What is in the lines of one."""
    found = History([], {})
    for line in lines:
        if b'"type":"user"' in line:
            text = _turn(read(line) or {})
            if text is not None:
                found.heard.append(text)
        elif b'"type":"cost-state"' in line:
            found.counters.clear()
            found.counters.update(counted((read(line) or {}).get("modelUsage")))
    return found


def _turn(entry: Json) -> str | None:
    """What the user has said; None of what only has his role: results, the program's words, tasks of subagents."""
    if entry.get("type") != "user" or any(entry.get(flag) for flag in ("isMeta", "isSidechain", "isCompactSummary")):
        return None
    if entry.get("promptSource") == "system":
        return None
    message = entry.get("message")
    text = _text(message.get("content") if isinstance(message, dict) else None)
    if text is None or text.startswith(_INTERRUPTED):
        return None
    command = _COMMAND.search(text)
    return " ".join(filter(None, (command[1].strip(), (command[2] or "").strip()))) if command else text


def _text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    blocks = [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    if not blocks or any(one.get("type") == "tool_result" for one in blocks):
        return None
    texts = [str(one.get("text", "")) for one in blocks if one.get("type") == "text"]
    return "\n".join(texts) or None
