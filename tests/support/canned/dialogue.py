"""What a request asks: the dialogue so far, without what the agents' own harness has put into it. Pure."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

BREAK = "BREAK"
USER, RESULT = "user", "result"

# What agents add to a user's text, in tags; and whole messages of theirs that only look like a user's.
ADDED = re.compile(r"<([a-z][a-z_-]*)>.*?</\1>", re.DOTALL)
CONTINUE = "You were interrupted. Go on where you left off."  # swarmctl's host
NOT_SAID = (
    "# AGENTS.md",
    "[Request interrupted by user",
    "Continue from where you left off.",  # Claude Code, after a call that was deferred
    "This is the Gemini CLI",
    CONTINUE,
)
# What agents tell the model of a call whose permission died with them: told to go on, it wants that again.
NOT_DONE = ("Tool permission request failed", "aborted by user", "[Tool execution was interrupted]")
NOT_A_TURN = ("[SUGGESTION MODE:",)  # what an agent asks of its own accord, in a conversation with all its tools


class Asked(NamedTuple):
    """users: the user's texts, all of them. results: those of the tools called since the last. conversation: as the
    agent names it, else None. aside: a question of the agent's own, of which the user knows nothing (a title).
    """

    conversation: str | None
    model: str
    users: tuple[str, ...]
    results: tuple[str, ...]
    tools: tuple[str, ...]
    stream: bool
    aside: bool


def asked(
    said: list[tuple[str, str]], *, conversation: str | None, model: str, tools: list[str], stream: bool
) -> Asked:
    """Made of who said what, in order. Agents offer tools in the requests of a turn, and in few others."""
    users: list[str] = []
    results: list[str] = []
    for who, text in said:
        if who == RESULT:
            results.append(text)
        elif text.strip() == CONTINUE:
            results = [one for one in results if not any(known in one for known in NOT_DONE)]
        elif spoken := spoken_by_user(text):
            users.append(spoken)
            results = []
    aside = not tools or (bool(users) and users[-1].startswith(NOT_A_TURN))
    return Asked(conversation, model, tuple(users), tuple(results), tuple(tools), stream, aside)


def spoken_by_user(text: str) -> str:
    """The user's own part of a text; empty where there is none."""
    left = (ADDED.sub("", text) if "</" in text else text).strip()
    return "" if left.startswith(NOT_SAID) else left


def text_of(content: Any) -> str:
    """The text in any form of content: a string, a block, or a list of them."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(text_of, content)))
    if isinstance(content, dict):
        return text_of(content["text"] if "text" in content else content.get("content", content.get("output", "")))
    return ""


class Piece(NamedTuple):
    """One server-sent event. `waits`: it is a chunk that a gated answer holds back until the test's next step.

    BREAK instead of data has the connection break.
    """

    data: dict[str, Any] | str
    event: str | None = None
    waits: bool = False
