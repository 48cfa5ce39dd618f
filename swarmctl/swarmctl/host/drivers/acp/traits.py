"""In what the agents differ, by the name that they tell in their answer to `initialize`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import gemini


class Traits(NamedTuple):
    """replays_late: `session/load` is answered before its history has come. notices: a chunk without a message id is
    no message but what the program says beside. tool: the name of the tool that a call is of, where the protocol has
    none. is_said: whether a user's turn of the history was said by a user.
    """

    replays_late: bool = True
    notices: bool = False
    tool: Callable[[dict[str, Any]], str | None] = lambda call: None
    is_said: Callable[[str], bool] = lambda text: True


def _claude_tool(call: dict[str, Any]) -> str | None:
    meta = call.get("_meta")
    known = meta.get("claudeCode") if isinstance(meta, dict) else None
    name = known.get("toolName") if isinstance(known, dict) else None
    return name if isinstance(name, str) else None


def _opencode_tool(call: dict[str, Any]) -> str | None:
    """Its first word of a call has the tool as title; later ones have what it is given."""
    title = call.get("title")
    is_first = call.get("sessionUpdate") == "tool_call" and call.get("status") == "pending"
    return title if is_first and isinstance(title, str) and title.replace("_", "").isalnum() else None


def _gemini_tool(call: dict[str, Any]) -> str | None:
    """It is in the id: run_shell_command__run_shell_command_1795186300156_0."""
    name, parted, _ = str(call.get("toolCallId", "")).partition("__")
    return name if parted and name else None


def _gemini_said(text: str) -> bool:
    return not text.startswith(("<session_context>", "[Function Response:"))


KNOWN = {
    "@agentclientprotocol/claude-agent-acp": Traits(replays_late=False, tool=_claude_tool),
    "@agentclientprotocol/codex-acp": Traits(replays_late=False, notices=True),
    "OpenCode": Traits(replays_late=False, tool=_opencode_tool),
    gemini.NAME: Traits(tool=_gemini_tool, is_said=_gemini_said),
}


def of(name: str | None) -> Traits:
    """The traits of the agent that calls itself so; for one that is not known, what takes most patience."""
    return KNOWN.get(name or "", Traits())
