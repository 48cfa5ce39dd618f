"""What is typed in an attached conversation, and what is shown of a message while it is written. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

from ..conversation import indented

SEND, YES, NO, ALWAYS, EDIT, DETACH, NOTHING = "send", "yes", "no", "always", "edit", "detach", "nothing"
ANSWERS = (YES, NO, ALWAYS, EDIT)
_NO = re.compile(r"(?:no|n)(?:$|[\s,:.!]+(.*))", re.IGNORECASE | re.DOTALL)


class Typed(NamedTuple):
    """What somebody means with a line, and the text that goes with it."""

    what: str
    text: str = ""


def meaning(text: str, *, is_asked: bool) -> Typed:
    """What a typed text means; `is_asked`: an approval waits for an answer, and y, n, a and e are that.

    What follows a no is what the agent is told. Anything else is a turn.
    """
    said = text.strip()
    if not said:
        return Typed(NOTHING)
    if said == "/detach":
        return Typed(DETACH)
    if is_asked:
        words = {"y": YES, "yes": YES, "a": ALWAYS, "always": ALWAYS, "e": EDIT, "edit": EDIT}
        if said.lower() in words:
            return Typed(words[said.lower()])
        if no := _NO.fullmatch(said):
            return Typed(NO, (no[1] or "").strip())
    return Typed(SEND, text)


class Written:
    """Messages as they are being written, by role: deltas come from the host's socket, whole messages from the log.

    The two race: what is left of a message on the socket when the log already has it whole is left out, so that nothing
    is shown twice.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._to_skip: dict[str, str] = {}

    def add(self, role: str, text: str) -> None:
        """A delta has come."""
        skipped = self._to_skip.get(role, "")
        if skipped and skipped.startswith(text):
            self._to_skip[role] = skipped[len(text) :]
            return
        self._to_skip.pop(role, None)
        self._texts[role] = self._texts.get(role, "") + text

    def whole(self, role: str, text: str) -> None:
        """The message is in the log: what was shown of it is over, and what still comes of it is to be left out."""
        shown = self._texts.pop(role, "")
        at = text.find(shown)
        self._to_skip[role] = text[at + len(shown) :] if at >= 0 else ""

    def clear(self) -> None:
        """The turn is over."""
        self._texts.clear()
        self._to_skip.clear()

    def lines(self, name: str, width: int, most: int) -> list[str]:
        """The last lines of what is being written, harmless and wrapped, under its heading."""
        heads = {"thought": f"{name}, thinking:"}
        found: list[str] = []
        for role, text in self._texts.items():
            if text.strip():
                body = [piece for line in indented(text, 2) for piece in wrapped(line, width)]
                found += ["", heads.get(role, f"{name}:"), *body]
        return found[-most:]


def wrapped(line: str, width: int) -> list[str]:
    """A line in pieces of at most `width` cells, broken between words where that goes, each indented as the first."""
    if cell_len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip(" "))]
    pieces, room = [""], max(width - len(indent), 8)
    for word in line[len(indent) :].split(" "):
        parts = chop_cells(word, room) or [""]
        if pieces[-1] and cell_len(pieces[-1]) + 1 + cell_len(parts[0]) <= room:
            pieces[-1] += f" {parts.pop(0)}"
        elif not pieces[-1]:
            pieces[-1] = parts.pop(0)
        pieces += parts
    return [indent + piece for piece in pieces]
