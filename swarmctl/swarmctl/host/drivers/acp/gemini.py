"""Gemini CLI loses sessions that are resumed: what is done against it; and the tokens that it does not tell.

It keeps a session in a file that is named by the minute it began in and the first letters of its id. `session/load`
makes an empty file of that form, by the minute of the load: in the first minute over the session itself. The next
start of any gemini in that directory finds the empty one, and removes all files with the same letters. Under a name
with other letters the session is found as before, since that is by what is in the file, and both leave it alone.
(Seen in 0.61.0. Its own setting against the removal, general.sessionRetention, does not help in the first minute.)

Over the protocol it tells neither what a cache gave nor what was thought; in the same file each message has all of it.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ...facts import Usage

NAME = "gemini-cli"
LETTERS = 8


def keep(session: str, env: Mapping[str, str]) -> None:
    """Rename the session's file, if gemini has one, so that it outlives being resumed. Before gemini is started."""
    for path in _files(session, env, ""):
        os.rename(path, f"{path.removesuffix('.jsonl')}-{session[-LETTERS:]}.jsonl")


class Ledger:
    """What sessions have used, as their files have it."""

    by_model, is_sure = True, False

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    async def sums(self, session: str) -> list[Usage] | None:
        """See counting.Ledger."""
        used: dict[str, tuple[str, dict[str, Any]]] = {}  # by message: it is written again when more of it is known
        for path in _files(session, self._env, "*"):
            for message in _messages(path):
                if isinstance(message.get("tokens"), dict):
                    used[str(message.get("id"))] = (str(message.get("model") or ""), message["tokens"])
        sums: dict[str, Usage] = {}
        for model, tokens in used.values():
            sums[model] = _plus(sums.get(model, Usage(model or None)), tokens)
        return list(sums.values()) or None


def _plus(sum: Usage, tokens: dict[str, Any]) -> Usage:
    whole, cached, output, thought = (int(tokens.get(name) or 0) for name in ("input", "cached", "output", "thoughts"))
    return sum._replace(
        input=sum.input + max(0, whole - cached),
        output=sum.output + output + thought,
        cache_read=sum.cache_read + cached,
        reasoning=sum.reasoning + thought,
    )


def _files(session: str, env: Mapping[str, str], renamed: str) -> list[str]:
    """The session's files that have messages; with `renamed` "*" those that were renamed too."""
    home = env.get("GEMINI_CLI_HOME") or env.get("HOME") or os.path.expanduser("~")
    short = session[:LETTERS]
    if not short.isalnum():
        return []
    chats = os.path.join(glob.escape(os.path.join(home, ".gemini", "tmp")), "*", "chats")
    found = glob.glob(os.path.join(chats, f"session-*-{short}{renamed}.jsonl"))
    return [path for path in found if _holds(path, session)]


def _holds(path: str, session: str) -> bool:
    """Whether the file is that session's, and has messages."""
    try:
        with open(path, encoding="utf-8") as file:
            first = json.loads(next(file, "null"))
            if not isinstance(first, dict) or first.get("sessionId") != session:
                return False
            return any('"type"' in line and not line.startswith('{"$set"') for line in file)
    except (OSError, ValueError):
        return False


def _messages(path: str) -> Iterator[dict[str, Any]]:
    """All that were ever in it; what a line replaces was paid for too."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                replaced = record.get("$set", {}).get("messages") or []
                yield from (one for one in (record, *replaced) if isinstance(one, dict))
    except (OSError, ValueError, AttributeError):
        return
