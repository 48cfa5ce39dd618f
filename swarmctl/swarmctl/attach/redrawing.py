"""What draws a picture of a terminal again on another one: its screens, its cursor, what is set."""

from __future__ import annotations

from pyte import charsets, modes
from pyte.screens import Cursor
from wcwidth import wcwidth

from .picture import Picture
from .sequences import Modes


def row(picture: Picture, y: int, columns: int | None = None) -> str:
    """What draws a row from its first column on, in a line that is empty; ends with no style set."""
    line = picture.buffer.get(y)
    if not line:
        return ""
    width = min(columns or picture.columns, picture.columns)
    last = max((x for x, char in line.items() if x < width and char != picture.default_char), default=-1)
    said, style = [], "default"
    for x in range(last + 1):
        char = line[x]
        if char.fg != style:
            said.append("\x1b[m" if char.fg == "default" else f"\x1b[{char.fg}m")
            style = char.fg
        if char.data and not (x == width - 1 and wcwidth(char.data[0]) == 2):
            said.append(char.data)
    return "".join([*said, "\x1b[m" if style != "default" else ""])


def drawn(picture: Picture, told: Modes, *, aside: bool = False) -> bytes:
    """What draws all of it on a terminal of the same size, both screens, and leaves that in the same state.

    That terminal shows its main screen and has no modes set. With `aside` what it shows is scrolled out of the way.
    """
    said = ["\x1b[m", f"\x1b[{picture.lines};1H" + "\n" * picture.lines if aside else "", "\x1b[H\x1b[2J"]
    if picture.main_screen is not None:
        shown = (picture.buffer, picture.cursor, picture.savepoints)
        picture.buffer, picture.cursor, picture.savepoints = picture.main_screen
        said += [_rows(picture), _cursor(picture)]
        picture.buffer, picture.cursor, picture.savepoints = shown
        said.append("\x1b[?1049h\x1b[m\x1b[H\x1b[2J")
    said += [_rows(picture), _state(picture), _cursor(picture), _charsets(picture)]
    said += ["\x1b[4h" if modes.IRM in picture.mode else "", "" if told.is_cursor_shown() else "\x1b[?25l"]
    # What has begun and is not whole goes on in the next bytes.
    return "".join(said).encode("utf-8", "replace") + told.of_screen() + told.of_keys() + picture.held


def _rows(picture: Picture) -> str:
    rows = [(y, row(picture, y)) for y in range(picture.lines)]
    return "".join(f"\x1b[{y + 1};1H{said}" for y, said in rows if said)


def _state(picture: Picture) -> str:
    """Margins and tab stops."""
    said = []
    if picture.tabstops != set(range(8, picture.columns, 8)):
        said += ["\x1b[3g", *(f"\x1b[1;{x + 1}H\x1bH" for x in sorted(picture.tabstops) if x < picture.columns)]
    if picture.margins:
        said.append(f"\x1b[{picture.margins.top + 1};{picture.margins.bottom + 1}r")
    return "".join(said)


def _charsets(picture: Picture) -> str:
    said = []
    for kind, charset in (("(", picture.g0_charset), (")", picture.g1_charset)):
        name = next((name for name, known in charsets.MAPS.items() if known is charset), "B")
        said.append(f"\x1b{kind}{name}")
    return "".join([*said, "\x0e" if picture.charset else "\x0f"])


def _cursor(picture: Picture) -> str:
    """The place that was saved, then the cursor itself, with its style."""
    said = ""
    for saved in picture.savepoints:
        said += _place(picture, saved.cursor, 0) + "\x1b7\x1b[m"
    top = 0
    if modes.DECOM in picture.mode:
        said += "\x1b[?6h"
        top = picture.margins.top if picture.margins else 0
    return said + _place(picture, picture.cursor, top)


def _place(picture: Picture, cursor: Cursor, top: int) -> str:
    """A cursor that is to wrap before the next character stands where the last one is drawn once more."""
    style = "" if cursor.attrs.fg == "default" else f"\x1b[{cursor.attrs.fg}m"
    if cursor.x < picture.columns:
        return f"\x1b[{cursor.y - top + 1};{cursor.x + 1}H\x1b[m{style}"
    line = picture.buffer[cursor.y]
    x = picture.columns - 1 if line[picture.columns - 1].data else picture.columns - 2
    last = line[x]
    its = "" if last.fg == "default" else f"\x1b[{last.fg}m"
    return f"\x1b[{cursor.y - top + 1};{x + 1}H\x1b[m{its}{last.data}\x1b[m{style}"
