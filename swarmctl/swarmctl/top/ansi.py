"""From a line of an agent's bytes to text for a screen: colours stay, nothing else of it can steer a terminal.

Escape sequences other than colours (SGR) are left out, other control characters are shown in letters.
"""

from __future__ import annotations

import re

from rich.ansi import AnsiDecoder
from rich.cells import cell_len, chop_cells
from rich.text import Text

from ..render import printable

TAB = 8
# ECMA-48: control sequences, control strings up to their end, and the short ones; in their 8-bit forms too.
_ESCAPE = re.compile(
    r"(?P<colour>\x1b\[[0-9;]*m)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x1b\\|[\x07\x9c]|$)"
    r"|\x1b[ -/]*[0-~]?"
)


class Painter:
    """Makes text of the lines of one stream; a colour that is not ended goes on in the next line."""

    def __init__(self) -> None:
        self._decoder = AnsiDecoder()

    def paint(self, line: bytes) -> Text:
        """One line without its newline; of what a carriage return writes over, only the last stays."""
        text = line.decode("utf-8", "replace")
        if "\r" in text:
            text = text.rstrip("\r").rpartition("\r")[2]
        if text.isprintable() and not self._decoder.style:
            return Text(text, end="")
        painted = Text(end="")
        at = 0
        for escape in _ESCAPE.finditer(text):
            self._add(painted, text[at : escape.start()])
            if escape["colour"]:
                self._decoder.decode_line(escape["colour"])  # of all that was written, the decoder meets these alone
            at = escape.end()
        self._add(painted, text[at:])
        return painted

    def _add(self, painted: Text, piece: str) -> None:
        if piece:
            before = cell_len(painted.plain) % TAB if "\t" in piece else 0
            shown = printable((" " * before + piece).expandtabs(TAB)[before:])
            painted.append(shown, self._decoder.style or None)


def wrap(text: Text, width: int) -> list[Text]:
    """The text in pieces that fit into `width` cells, cut where they must be."""
    if text.cell_len <= width:
        return [text]
    cuts, at = [], 0
    for piece in chop_cells(text.plain, width)[:-1]:
        at += len(piece)
        cuts.append(at)
    return list(text.divide(cuts))
