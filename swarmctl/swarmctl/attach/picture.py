"""A terminal's screen as output has left it.

pyte's screen, with what it has not: the alternate screen, colours as they were said, scrolling, sequences of any kind.
"""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from typing import Any

import pyte
from pyte import charsets, modes
from pyte.screens import Char, Cursor, Savepoint, StaticDefaultDict
from wcwidth import wcwidth

from .sequences import ALTERNATE, cut
from .style import Style, restyle, spoken

Line = StaticDefaultDict[int, Char]

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<prefix>[<-?]*)(?P<words>[\d;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b\x18\x1a]*(?:\x07|\x1b\\|\x18|\x1a|\Z)"
    r"|\x1b(?P<kind>[ -/]*)(?P<escape>[0-~])"
    r"|(?P<control>[\x00-\x1f])",
)
_CONTROLS = {
    "\b": "backspace",
    "\t": "tab",
    "\n": "linefeed",
    "\v": "linefeed",
    "\f": "linefeed",
    "\r": "carriage_return",
    "\x0e": "shift_out",
    "\x0f": "shift_in",
}
_ESCAPES = {
    "c": "reset",
    "D": "index",
    "E": "next_line",
    "M": "reverse_index",
    "H": "set_tab_stop",
    "7": "save_cursor",
    "8": "restore_cursor",
}
_SEQUENCES = {
    "@": "insert_characters",
    "A": "cursor_up",
    "B": "cursor_down",
    "C": "cursor_forward",
    "D": "cursor_back",
    "E": "cursor_down1",
    "F": "cursor_up1",
    "G": "cursor_to_column",
    "H": "cursor_position",
    "I": "tabs",
    "J": "erase_in_display",
    "K": "erase_in_line",
    "L": "insert_lines",
    "M": "delete_lines",
    "P": "delete_characters",
    "S": "scroll_up",
    "T": "scroll_down",
    "X": "erase_characters",
    "Z": "tabs_back",
    "`": "cursor_to_column",
    "a": "cursor_forward",
    "b": "repeat",
    "d": "cursor_to_line",
    "e": "cursor_down",
    "f": "cursor_position",
    "g": "clear_tab_stop",
    "h": "set_mode",
    "l": "reset_mode",
    "r": "set_margins",
    "s": "save_cursor",
    "u": "restore_cursor",
}
_TAKES = {"H": 2, "f": 2, "r": 2, "h": 16, "l": 16}  # parameters; of the others, one
_PRIVATE_MODES = (6, 7, 25)  # that move or stop the cursor, or hide it
_MOST = 9999  # a parameter


class Picture(pyte.Screen):
    """A screen of so many rows and columns."""

    def __init__(self, rows: int, columns: int, *, is_alternate: bool = False) -> None:
        self._last = " "
        self.held = b""  # the beginning of a sequence or a character
        # Of the screen that is not shown: its lines, its cursor, what was saved there.
        self.main_screen: tuple[dict[int, Line], Cursor, list[Savepoint]] | None = None
        super().__init__(columns, rows)
        if is_alternate:
            self._show_alternate()

    @property
    def is_alternate(self) -> bool:
        return self.main_screen is not None

    def feed(self, data: bytes) -> None:
        """Draw output, a piece of it."""
        whole, self.held = cut(self.held + data)
        for token in _TOKEN.finditer(whole.decode("utf-8", "replace")):
            text = token["text"]
            if text is not None:
                self.draw(text)
            elif token["final"] is not None:
                self._obey(token["prefix"], token["words"], token["between"], token["final"])
            elif token["control"] is not None:
                self._call(_CONTROLS.get(token["control"]))
            elif token["escape"] is not None:
                self._escape(token["kind"], token["escape"])

    def _call(self, name: str | None, *params: int) -> None:
        if name is not None:
            getattr(self, name)(*params)

    def _escape(self, kind: str, final: str) -> None:
        if kind in ("(", ")"):
            self.define_charset(final, kind)
        elif not kind:
            self._call(_ESCAPES.get(final))
        elif kind == "#" and final == "8":
            self.alignment_display()

    def _obey(self, prefix: str, words: str, between: str, final: str) -> None:
        if prefix == "?" and final in "hl" and not between:
            for word in words.split(";"):
                self._set_private(min(int(word), _MOST) if word.isdigit() else 0, final == "h")
        elif not prefix and not between:
            if final == "m":
                self.cursor.attrs = _restyled(self.cursor.attrs.fg, words)
            elif ":" not in words:
                params = [min(int(word or 0), _MOST) for word in words.split(";")] if words else []
                self._call(_SEQUENCES.get(final), *params[: _TAKES.get(final, 1)])
        elif between == "!" and final == "p":
            self._reset_softly()

    # -- modes

    def _set_private(self, mode: int, on: bool) -> None:
        if mode in _PRIVATE_MODES:
            (self.set_mode if on else self.reset_mode)(mode, private=True)
        elif mode == 1048:
            (self.save_cursor if on else self.restore_cursor)()
        elif mode in ALTERNATE and on != self.is_alternate:
            if on:
                self._show_alternate()
            else:
                self._show_main(restored=mode == 1049)

    def _show_alternate(self) -> None:
        self.main_screen = (self.buffer, self.cursor, self.savepoints)
        self.buffer = _new_buffer(self.buffer)
        self.cursor = copy.copy(self.cursor)
        self.savepoints = []

    def _show_main(self, *, restored: bool) -> None:
        assert self.main_screen is not None
        cursor = self.cursor
        self.buffer, self.cursor, self.savepoints = self.main_screen
        if not restored:
            self.cursor.x, self.cursor.y = cursor.x, cursor.y
        self.main_screen = None

    def reset(self) -> None:
        if self.main_screen is not None:
            self.buffer, _, self.savepoints = self.main_screen
            self.main_screen = None
        super().reset()

    def _reset_softly(self) -> None:
        self.cursor.attrs = self.default_char
        self.margins = None
        self.mode -= {modes.DECOM, modes.IRM}
        self.mode |= {modes.DECAWM, modes.DECTCEM}
        self.cursor.hidden = False
        self.g0_charset, self.g1_charset, self.charset = charsets.LAT1_MAP, charsets.LAT1_MAP, 0

    @property
    def default_char(self) -> Char:
        return Char(" ")

    def save_cursor(self, *params: int) -> None:
        """One place, as terminals have it, not a stack."""
        self.savepoints.clear()
        super().save_cursor()

    def restore_cursor(self, *params: int) -> None:
        kept = [one._replace(cursor=copy.copy(one.cursor)) for one in self.savepoints]
        super().restore_cursor()
        self.savepoints = kept

    # -- drawing

    def draw(self, data: str) -> None:
        """Characters at the cursor, which wraps before the one that has no room."""
        data = data.translate(self.g1_charset if self.charset else self.g0_charset)
        attrs = self.cursor.attrs
        for char in data:
            width = 1 if char < "\x7f" else wcwidth(char)
            if width <= 0:
                self._combine(char)
                continue
            if self.cursor.x + width > self.columns:
                self._wrap(width)
            if modes.IRM in self.mode:
                self.insert_characters(width)
            line, x = self.buffer[self.cursor.y], self.cursor.x
            _part(line, x)
            _part(line, x + width)
            line[x] = attrs._replace(data=char)
            if width == 2:
                line[x + 1] = attrs._replace(data="")
            self.cursor.x = x + width
        self._last = data[-1]

    def _wrap(self, width: int) -> None:
        if modes.DECAWM in self.mode:
            self.carriage_return()
            self.linefeed()
        else:
            self.cursor.x = max(0, self.columns - width)

    def _combine(self, char: str) -> None:
        """A character without width goes to the one before."""
        line, x = self.buffer[self.cursor.y], self.cursor.x - 1
        if x > 0 and not line[x].data:
            x -= 1
        if x >= 0 and len(line[x].data) < 16:
            line[x] = line[x]._replace(data=line[x].data + char)

    def repeat(self, count: int = 1) -> None:
        self.draw(self._last * min(max(count, 1), self.columns * self.lines))

    def next_line(self) -> None:
        self.carriage_return()
        self.index()

    def tabs(self, count: int = 1) -> None:
        for _ in range(min(max(count, 1), self.columns)):
            self.tab()

    def tabs_back(self, count: int = 1) -> None:
        for _ in range(min(max(count, 1), self.columns)):
            self.cursor.x = max((stop for stop in self.tabstops if stop < self.cursor.x), default=0)

    # -- moving and erasing

    def cursor_up(self, count: int | None = None) -> None:
        """Up to the margin, or beyond it to the edge."""
        top = self.margins.top if self.margins and self.cursor.y >= self.margins.top else 0
        self.cursor.y = max(self.cursor.y - (count or 1), top)

    def cursor_down(self, count: int | None = None) -> None:
        bottom = self.margins.bottom if self.margins and self.cursor.y <= self.margins.bottom else self.lines - 1
        self.cursor.y = min(self.cursor.y + (count or 1), bottom)

    def cursor_position(self, line: int | None = None, column: int | None = None, *more: int) -> None:
        super().cursor_position(line, column)

    def cursor_to_line(self, line: int | None = None) -> None:
        first = self.margins.top if self.margins and modes.DECOM in self.mode else 0
        self.cursor.y = first + (line or 1) - 1
        self.ensure_vbounds()

    def set_margins(self, top: int | None = None, bottom: int | None = None, *more: int) -> None:
        """0 is as not said; without a region, and with one, the cursor goes home."""
        first, last = (top or 1) - 1, min(bottom or self.lines, self.lines) - 1
        if first < last:
            self.margins = None if (first, last) == (0, self.lines - 1) else pyte.screens.Margins(first, last)
            self.cursor_position()

    def scroll_up(self, count: int = 1, *more: int) -> None:
        self._scroll(count, self.delete_lines)

    def scroll_down(self, count: int = 1, *more: int) -> None:
        self._scroll(count, self.insert_lines)

    def _scroll(self, count: int, how: Any) -> None:
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = self.margins.top if self.margins else 0
        how(count or 1)
        self.cursor.x, self.cursor.y = x, y

    def delete_lines(self, count: int | None = None) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if top <= self.cursor.y <= bottom:
            for y in range(self.cursor.y, bottom + 1):
                below = self.buffer.pop(y + (count or 1), None) if y + (count or 1) <= bottom else None
                if below is None:
                    self.buffer.pop(y, None)
                else:
                    self.buffer[y] = below
            self.carriage_return()

    def erase_in_display(self, how: int = 0, *more: int) -> None:
        y, last = self.cursor.y, self.lines
        for row in {0: range(y + 1, last), 1: range(y), 2: range(last)}.get(how, ()):
            self._erase(row, range(self.columns))
        if how in (0, 1):
            self.erase_in_line(how)

    def erase_in_line(self, how: int = 0, *more: int) -> None:
        x, last = self.cursor.x, self.columns
        x = min(x, last - 1)
        self._erase(self.cursor.y, {0: range(x, last), 1: range(x + 1), 2: range(last)}.get(how, range(0)))

    def erase_characters(self, count: int | None = None) -> None:
        x = min(self.cursor.x, self.columns - 1)
        self._erase(self.cursor.y, range(x, min(x + (count or 1), self.columns)))

    def _erase(self, row: int, columns: range) -> None:
        """What is erased has the background that is set, and nothing else of the style."""
        style = _style(self.cursor.attrs.fg)
        background = {"bg": style["bg"]} if "bg" in style else {}
        if not background and len(columns) == self.columns:
            self.buffer.pop(row, None)
            return
        blank = Char(" ", fg=spoken(background)) if background else self.default_char
        line = self.buffer[row]
        _part(line, columns.start)
        _part(line, columns.stop)
        for x in columns:
            line[x] = blank


def _style(words: str) -> Style:
    """The style of a cell, which is kept in what pyte takes for its colour."""
    return {} if words == "default" else restyle({}, words)


@lru_cache(maxsize=1024)
def _restyled(before: str, words: str) -> Char:
    style = restyle(_style(before), words)
    return Char(" ", fg=spoken(style) if style else "default")


def _part(line: Line, x: int) -> None:
    """Of a wide character that reaches over the edge before `x` nothing is left: one half of it is to go."""
    if x > 0 and not line[x].data:
        line[x - 1] = line[x] = Char(" ", fg=line[x].fg)


def _new_buffer(buffer: Any) -> Any:
    return type(buffer)(buffer.default_factory)
